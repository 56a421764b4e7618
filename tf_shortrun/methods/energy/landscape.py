"""Energies in the plane: likelihood normalised on a grid, and a picture of the density."""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf
from scipy.special import logsumexp

from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import HasEnergy, Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures.grids import Pictures, compiled

_BLOCK = 10_000  # points in one pass


@dataclasses.dataclass(frozen=True)
class GridLikelihood:
    """The eval `grid_nll`: mean of E(x) + log Z over test points, nats, in published units.

        log Z = log sum_c exp(-E(c)) + log (area of a cell),   c the centers of side^2 cells

    The grid covers [-1, 1]^2 in the coordinates of the data set. A cell must be narrower than the
    narrowest mode, otherwise Z is wrong.
    """

    metrics: ClassVar = {
        "grid_nll": Metric("lower", "Negative log-likelihood, normalised on a grid, nats."),
    }

    side: int

    def __post_init__(self):
        check_counts(self, side=2)

    def check(self, learner: Learner, dataset: Dataset):
        _check_fits(self, learner, dataset)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        del seed
        self.check(learner, dataset)
        energies = _energies(learner, _centers(self.side))
        log_area = 2 * np.log(2 / self.side * dataset.unit)
        log_z = logsumexp(-energies) + log_area
        test = _energies(learner, dataset.test.images)
        return {"grid_nll": float(np.mean(test) + log_z)}

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence: how `grid_nll` was measured."""
        reach = dataset.unit
        return {
            "grid_nll": (
                f"Mean energy of all {len(dataset.test.images)} test points of {dataset.name} plus "
                f"log Z from {self.side} x {self.side} cells over [-{reach:g}, {reach:g}]^2, nats, "
                "published units."
            )
        }


@dataclasses.dataclass(frozen=True)
class EnergyLandscape:
    """The picture `energy`: exp(-E) on [-1, 1]^2, its maximum white, on a log scale of 10 nats."""

    captions: ClassVar = {
        "energy": (
            "The density exp(-E) on the plane, on a logarithmic scale: the cell of highest density "
            "is white, and cells 10 nats or more below it are black."
        ),
    }

    side: int

    def __post_init__(self):
        check_counts(self, side=2)

    def check(self, learner: Learner, dataset: Dataset):
        _check_fits(self, learner, dataset)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        del seed
        self.check(learner, dataset)
        energies = _energies(learner, _centers(self.side)).reshape(self.side, self.side)
        light = np.clip(1 - (energies - energies.min()) / 10, 0, 1)
        grey = np.round(255 * light.T[::-1]).astype(np.uint8)  # the second axis points up
        return {"energy": np.repeat(grey[..., None], 3, axis=-1)}


def _check_fits(evaluation, learner: Learner, dataset: Dataset) -> None:
    name = type(evaluation).__name__
    require(learner, HasEnergy, name)
    if dataset.image_shape != (2,):
        raise InputError(
            f"{name} is for points in the plane and {dataset.name} has observations of shape "
            f"{dataset.image_shape}: take it out"
        )


def _centers(side: int) -> np.ndarray:
    ticks = (np.arange(side) + 0.5) * 2 / side - 1
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)


def _energies(learner: HasEnergy, points: np.ndarray) -> np.ndarray:
    energy = compiled(learner.energy)
    blocks = np.array_split(points.astype(np.float32), -(-len(points) // _BLOCK))
    return np.concatenate([energy(tf.constant(b)).numpy().astype(np.float64) for b in blocks])
