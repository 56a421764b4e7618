"""Pictures of heating walks away from the data and of cooling walks back to it."""

import dataclasses
from typing import ClassVar

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import Learner, Walks
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.evaluation import needs
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures import strips
from tf_shortrun.evals.pictures.grids import Pictures, compiled, pick_batch
from tf_shortrun.evals.pictures.tiles import stack


@dataclasses.dataclass(frozen=True)
class WalkStrips:
    """The picture `walks`: above, heating walks from test observations; below, cooling walks.

    A strip shows `frames` states of each walk, equally spaced, from the first to the last. A walk
    with fewer states shows some of them twice. Each of `num` images has its own row. `num` points
    in the plane share one panel per frame, drawn over the test points.
    """

    captions: ClassVar = {
        "walks": (
            "Above, heating walks lead from test observations away from the data; below, cooling "
            "walks lead from noise to new samples. Steps run from left to right. Points in the "
            "plane are drawn over the test points, which are grey."
        ),
    }

    num: int
    frames: int

    def __post_init__(self):
        check_counts(self, frames=2)

    check = needs(Walks)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(learner, dataset)
        seeds = noise.split(seed, 2)
        heating = compiled(learner.heat)(pick_batch(dataset, self.num), seeds[0])
        cooling = compiled(learner.cool)(self.num, seeds[1])
        shown = [strips.pick(walk, self.frames) for walk in (heating, cooling)]
        return {"walks": stack([strips.draw(states, dataset) for states in shown])}
