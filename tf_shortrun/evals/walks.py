"""Pictures of walks that leave the data and come back."""

import dataclasses

import numpy as np
import tensorflow as tf

from tf_shortrun import noise
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.errors import InputError
from tf_shortrun.evals.pictures import Pictures, compiled, grid, pick_batch, require, stack
from tf_shortrun.evals.plane_pictures import scatter
from tf_shortrun.learners.base import Learner, Walks
from tf_shortrun.shapes import Seed

_SIDE = 160  # pixels of a panel of points


@dataclasses.dataclass(frozen=True)
class WalkStrips:
    """`walks`: test observations leave the data; below, others come back to be samples.

    Each walk is seen at `frames` steps at equal distances, the first and the last among them;
    a walk of fewer states shows some twice. `num` images have a row each; `num` points in the
    plane share one panel a frame, above the test points.
    """

    num: int
    frames: int

    def __post_init__(self):
        if self.num < 1 or self.frames < 2:
            raise InputError(
                f"WalkStrips has num {self.num}, frames {self.frames}: "
                "choose at least one walk and two frames"
            )

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        require(learner, Walks, self)
        seeds = noise.split(seed, 2)
        heating = compiled(learner.heat)(pick_batch(dataset, self.num), seeds[0])
        cooling = compiled(learner.cool)(self.num, seeds[1])
        return {"walks": stack([self._strip(walk, dataset) for walk in (heating, cooling)])}

    def _strip(self, walk: tf.Tensor, dataset: Dataset) -> np.ndarray:
        walk = np.asarray(walk)
        states = walk[np.linspace(0, len(walk) - 1, self.frames).round().astype(int)]
        if dataset.image_shape == (2,):
            panels = [scatter(points, dataset.test.images, _SIDE) for points in states]
            tiles = np.stack(panels) / 127.5 - 1.0
        else:
            tiles = states.swapaxes(0, 1).reshape(-1, *dataset.image_shape)
        return grid(tiles, self.frames)
