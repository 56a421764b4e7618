"""An eval that compares samples in the plane with the known distribution."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import tensorflow as tf
from scipy.special import rel_entr

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner, Walks
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.data.plane_distribution import PlaneDistribution
from tf_shortrun.evals.energy_distance import check_points, energy_distance


@dataclasses.dataclass(frozen=True)
class PlaneSamples:
    """An eval of samples: their places, their mass in each piece, their distance to test points.

    With h_i the share of samples whose nearest center is in piece i, and p_i its true share:

        coverage = sum_i min(h_i, p_i),     mode_kl = sum_i h_i log(h_i / p_i)

    and `on_manifold` is the share of samples within `radius` of the nearest center. `coverage`
    is 1 if mass is distributed as in the data. `modes`, of a mixture only, counts the pieces that
    get at least a tenth of their share within `radius`. Lengths are in published units.

    extra_steps: numbers of further steps, ascending. After n more steps of the same chains, the
      numbers are `on_manifold@+n` and so on. Walks that are much longer than walks of training
      show whether mass drifts.

    Samples that are not finite are off the manifold and in no piece; `mode_kl` and
    `energy_distance` use only the finite samples.

    The noise of the samples comes from stream(seed, "samples"), the noise of a walk to n
    from fold(stream(seed, "walk"), n).
    """

    metrics: ClassVar = {
        "log_likelihood/true": Metric(
            "", "Of test examples under the true distribution, nats per example."
        ),
        "on_manifold": Metric("higher", "Share of samples that lie on the data manifold."),
        "coverage": Metric(
            "higher", "Overlap of sampled and true mass, piece by piece; 1 at best."
        ),
        "mode_kl": Metric("lower", "KL of the mass of samples by piece from the true mass, nats."),
        "energy_distance": Metric("lower", "Energy distance between samples and data."),
        "modes": Metric("higher", "Modes of the data that the samples reach."),
        "on_manifold@+*": Metric("higher", "As on_manifold, after this many more steps."),
        "coverage@+*": Metric("higher", "As coverage, after this many more steps."),
        "mode_kl@+*": Metric("lower", "As mode_kl, after this many more steps."),
        "energy_distance@+*": Metric("lower", "As energy_distance, after this many more steps."),
        "modes@+*": Metric("higher", "As modes, after this many more steps."),
    }

    num_samples: int
    radius: float
    extra_steps: tuple[int, ...] = ()

    def __post_init__(self):
        if self.num_samples < 2 or not self.radius > 0:
            raise InputError(
                f"PlaneSamples has num_samples {self.num_samples}, radius {self.radius}: "
                "choose at least two samples and a radius above 0"
            )
        if not all(np.diff([0, *self.extra_steps]) > 0):
            raise InputError(
                f"PlaneSamples.extra_steps is {self.extra_steps}: choose ascending numbers from 1"
            )

    def check(self, learner: Learner, dataset: Dataset):
        """Raises InputError if the distribution is unknown, or learner or data lack something."""
        _distribution(dataset)
        check_points(self.num_samples, len(dataset.test.images))
        if self.extra_steps:
            require(learner, Walks, "PlaneSamples.extra_steps")

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns all numbers. Raises InputError if fewer than two samples are finite."""
        self.check(learner, dataset)
        distribution = _distribution(dataset)
        log_prob = np.mean(distribution.log_prob(dataset.test.images)) - 2 * np.log(dataset.unit)
        metrics = {"log_likelihood/true": float(log_prob)}
        for suffix, samples in self._walk(learner, seed):
            scores = self._scores(samples, dataset)
            metrics |= {name + suffix: value for name, value in scores.items()}
        return metrics

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns a sentence on how each number was measured, by name."""
        sentences = self._sentences(dataset)
        longer = {
            f"{name}@+{steps}": f"After {steps} more steps of the same chains: {sentence}"
            for steps in self.extra_steps
            for name, sentence in sentences.items()
        }
        true = (
            f"Mean true log density of all {len(dataset.test.images)} test points of "
            f"{dataset.name} in published units, nats: a property of the data."
        )
        return sentences | longer | {"log_likelihood/true": true}

    def _sentences(self, dataset: Dataset) -> dict[str, str]:
        distribution, num = _distribution(dataset), self.num_samples
        within = f"within {self.radius} (published units) of the nearest center of {dataset.name}"
        pieces = f"the {len(distribution.shares)} pieces of {dataset.name}"
        floor = (len(distribution.shares) - 1) / (2 * num)
        sentences = {
            "on_manifold": f"Share of {num} samples {within}.",
            "coverage": f"Sum over {pieces} of min(share of {num} samples, true share).",
            "mode_kl": (
                f"KL(share of {num} samples, if finite | true share) over {pieces}, nats; "
                f"exact samples have {floor:.2g} on average."
            ),
            "energy_distance": (
                f"2 E|X - Y| - E|X - X'| - E|Y - Y'| of {num} samples X, if finite, and all "
                f"{len(dataset.test.images)} test points Y of {dataset.name}, without bias, "
                "in published units."
            ),
        }
        if distribution.is_mixture:
            sentences["modes"] = (
                f"Modes, of {len(distribution.shares)}, that get at least a tenth of their true "
                f"share of {num} samples, counting samples {within}."
            )
        return sentences

    def _walk(self, learner: Learner, seed: Seed) -> Iterator[tuple[str, np.ndarray]]:
        """Yields a suffix of names and samples [N, 2]: first as drawn, then after more steps."""
        state = tf.function(learner.sample)(self.num_samples, noise.stream(seed, "samples"))
        yield "", np.asarray(state, np.float64)
        for before, steps in itertools.pairwise((0, *self.extra_steps)):
            state = tf.function(learner.walk)(
                state, steps - before, noise.fold(noise.stream(seed, "walk"), steps)
            )
            yield f"@+{steps}", np.asarray(state, np.float64)

    def _scores(self, samples: np.ndarray, dataset: Dataset) -> dict[str, float]:
        distribution, unit, num = dataset.distribution, dataset.unit, len(samples)
        finite = samples[np.all(np.isfinite(samples), axis=1)]
        energy = energy_distance(unit * finite, unit * dataset.test.images.astype(np.float64))
        distance, piece = distribution.nearest(finite)
        is_near = unit * distance <= self.radius
        shares = np.bincount(piece, minlength=len(distribution.shares)) / num
        near_shares = np.bincount(piece, is_near, minlength=len(distribution.shares)) / num
        scores = {
            "on_manifold": np.sum(near_shares),
            "coverage": np.sum(np.minimum(shares, distribution.shares)),
            "mode_kl": np.sum(rel_entr(shares / np.sum(shares), distribution.shares)),
            "energy_distance": energy,
        }
        if distribution.is_mixture:
            scores["modes"] = np.sum(near_shares >= 0.1 * distribution.shares)
        return {name: float(score) for name, score in scores.items()}


def _distribution(dataset: Dataset) -> PlaneDistribution:
    if dataset.distribution is None:
        raise InputError(
            f"{dataset.name} has no known distribution: remove PlaneSamples from the evals"
        )
    return dataset.distribution
