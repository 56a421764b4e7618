"""Pictures of walks that leave the data and come back."""

import dataclasses
from typing import ClassVar

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner, Walks
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures import strips
from tf_shortrun.evals.pictures.grids import Pictures, compiled, pick_batch, stack


@dataclasses.dataclass(frozen=True)
class WalkStrips:
    """`walks`: test observations leave the data; below, others come back to be samples.

    Each walk is seen at `frames` steps at equal distances, the first and the last among them;
    a walk of fewer states shows some twice. `num` images have a row each; `num` points in the
    plane share one panel a frame, above the test points.
    """

    captions: ClassVar = {
        "walks": (
            "Above, test observations leave the data, step by step from left to right; below, "
            "new ones come back from noise. Points lie above the test points, in grey."
        ),
    }

    num: int
    frames: int

    def __post_init__(self):
        check_counts(self, frames=2)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        require(learner, Walks, "WalkStrips")
        seeds = noise.split(seed, 2)
        heating = compiled(learner.heat)(pick_batch(dataset, self.num), seeds[0])
        cooling = compiled(learner.cool)(self.num, seeds[1])
        shown = [strips.pick(walk, self.frames) for walk in (heating, cooling)]
        return {"walks": stack([strips.draw(states, dataset) for states in shown])}
