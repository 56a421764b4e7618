"""Samples without the noise of their last step, measured and shown beside the samples.

    draw  s_0 ~ p_1(. | s_1)        mean  E[s_0 | s_1]

If the last step is wider than the detail of the data, the draw has noise that the mean has not.
"""

import dataclasses
from typing import ClassVar, Protocol

import tensorflow as tf

from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner, Walks
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features.quality import FeatureDistances
from tf_shortrun.evals.pictures.grids import Pictures, compiled
from tf_shortrun.evals.pictures.tiles import check_drawable, grid
from tf_shortrun.methods.walkback.trajectory import Walker


class StepsBack(Walks, Protocol):
    """A learner that samples by steps of one operator, the last of them at T = 1."""

    walker: Walker


class Means:
    """A sampler of the means of the last step, from the walks of `sample` with equal seeds."""

    def __init__(self, learner: StepsBack):
        require(learner, StepsBack, "the mean of the last step")
        self._learner = learner

    def sample(self, num, seed: Seed) -> tf.Tensor:
        before = self._learner.cool(num, seed)[-2]
        step = self._learner.walker.operator.transition(before, tf.ones([num]))
        return tf.clip_by_value(step.mean(), -1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class MeanDistances:
    """An eval of the distances of the means of the last step. `distances` measures the draws."""

    metrics: ClassVar = {
        f"{name}/mean": Metric(metric.better, f"{metric.meaning} Of means of the last step.")
        for name, metric in FeatureDistances.metrics.items()
    }

    distances: FeatureDistances

    def check(self, learner: Learner, dataset: Dataset):
        self.distances.check(Means(learner), dataset)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        found = self.distances(Means(learner), dataset, seed)
        return {f"{name}/mean": value for name, value in found.items()}

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns a sentence on how each number was measured, by name."""
        made = self.distances.protocol(dataset)
        said = "Of the means of the last step, not the draws: "
        return {f"{name}/mean": said + sentence for name, sentence in made.items()}


@dataclasses.dataclass(frozen=True)
class MeanGrid:
    """A picture `last_step`: `num` samples above, below them the means of their last steps."""

    captions: ClassVar = {
        "last_step": (
            "Samples above; below them the same samples without the noise of their last step. "
            "What differs is the width of that step."
        ),
    }

    num: int
    __post_init__ = check_counts

    def check(self, learner: Learner, dataset: Dataset):
        Means(learner)
        check_drawable(dataset.image_shape)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        del dataset
        both = [compiled(thing.sample)(self.num, seed) for thing in (learner, Means(learner))]
        return {"last_step": grid(tf.concat(both, 0), self.num)}
