"""A picture of log Z during annealing, forward and reverse."""

import dataclasses
from typing import ClassVar

import numpy as np

from tf_shortrun.core.contracts import LacksPartition, Learner
from tf_shortrun.core.evaluation import needs
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures import plots
from tf_shortrun.evals.pictures.grids import Pictures
from tf_shortrun.methods.binary.annealed_chains import AnnealedChains
from tf_shortrun.methods.binary.partition import Annealing


@dataclasses.dataclass(frozen=True)
class PartitionTrace:
    """The picture `log_partition`: log Z_beta along the path, from forward and reverse annealing.

        there(beta) = log Z_A + log mean w                   forward, w: weights at beta
        back(beta)  = log Z_A + log mean w - log mean w_A    reverse, w_A: weights at beta = 0

    Above, both curves; below, both minus their mean, on an axis of at least one nat. The curves
    differ if there are too few temperatures, or if the draws of the prior are not exact.
    """

    captions: ClassVar = {
        "log_partition": (
            "log Z along the path from independent bits on the left to the prior on the right, by "
            "forward and reverse annealing. Above, both estimates; below, their difference from "
            "their mean. If the curves differ by a nat or more, do not trust the likelihoods."
        ),
    }

    annealing: Annealing

    check = needs(LacksPartition)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(learner, dataset)
        there, back = trace(*self.annealing.run(learner, seed))
        mean = (there + back) / 2
        above = plots.lines("log Z by temperature, nats", {"forward": there, "reverse": back}, 0.0)
        below = plots.lines(
            "difference from their mean", {"forward": there - mean, "reverse": back - mean}, 1.0
        )
        return {"log_partition": np.concatenate([above, below])}


def trace(
    base: float, there: AnnealedChains, back: AnnealedChains
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the forward and reverse log Z_beta at beta = 0, 1 / K, ..., 1: [K + 1] each."""
    up, down = (np.append(0.0, annealed.log_means) for annealed in (there, back))
    return base + up, base + down[::-1] - down[-1]
