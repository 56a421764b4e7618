"""How log Z of a prior was annealed, both ways."""

import dataclasses
from typing import ClassVar

import numpy as np

from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import LacksPartition, Learner
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures import plots
from tf_shortrun.evals.pictures.grids import Pictures
from tf_shortrun.methods.binary.annealed_chains import AnnealedChains
from tf_shortrun.methods.binary.partition import Annealing


@dataclasses.dataclass(frozen=True)
class PartitionTrace:
    """`log_partition`: log Z_beta of the prior along the path from independent bits, both ways.

        there(beta) = log Z_A + log mean w                   as the weights are at beta
        back(beta)  = log Z_A + log mean w - log mean w_A    w_A: as they are at the end, beta = 0

    Above both curves, below both less their mean, at a scale that is no finer than a nat. They
    part where temperatures are too few, or draws of the prior are none.
    """

    captions: ClassVar = {
        "log_partition": (
            "log Z of the prior, annealed from independent bits on the left to the prior on the "
            "right, and back. Above both estimates, below how far each is from their mean. "
            "Where the curves part by a nat or more, likelihoods are not to be trusted."
        ),
    }

    annealing: Annealing

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        del dataset
        require(learner, LacksPartition, "PartitionTrace")
        there, back = trace(*self.annealing.run(learner, seed))
        mean = (there + back) / 2
        above = plots.lines("log Z by temperature, nats", {"there": there, "back": back}, 0.0)
        below = plots.lines("less their mean", {"there": there - mean, "back": back - mean}, 1.0)
        return {"log_partition": np.concatenate([above, below])}


def trace(
    base: float, there: AnnealedChains, back: AnnealedChains
) -> tuple[np.ndarray, np.ndarray]:
    """log Z_beta at beta = 0, 1 / K, ..., 1 as both ways tell it, [K + 1] each."""
    up, down = (np.append(0.0, annealed.log_means) for annealed in (there, back))
    return base + up, base + down[::-1] - down[-1]
