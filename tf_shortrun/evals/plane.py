"""An eval that compares samples in the plane with the known distribution.

References:
  G. J. Szekely, M. L. Rizzo, Energy statistics, Journal of Statistical Planning and
    Inference 2013.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import tensorflow as tf
from scipy.spatial.distance import cdist
from scipy.special import rel_entr
from sklearn.utils import gen_batches

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner, Walks
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.data.plane_distribution import PlaneDistribution

_BLOCK = 500  # points whose distances are in memory at once


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

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns all numbers.

        Raises:
          InputError: if the distribution is unknown, `extra_steps` is given but the learner cannot
            walk, or fewer than two samples or test points are finite.
        """
        distribution = _distribution(dataset)
        if self.extra_steps:
            require(learner, Walks, "PlaneSamples.extra_steps")
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


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Returns 2 E|X - Y| - E|X - X'| - E|Y - Y'| of points [N, 2] and [M, 2].

    No point is paired with itself, so the estimate is unbiased and can be slightly below 0.

    Raises:
      InputError: if one of the sets has fewer than two points.
    """
    n, m = len(x), len(y)
    if min(n, m) < 2:
        raise InputError(
            f"an energy distance needs two points of each set, not {n} finite samples and {m} "
            "test points: lower the learning rate if samples diverge"
        )
    within = _total(x, x) / (n * (n - 1)) + _total(y, y) / (m * (m - 1))
    return 2 * _total(x, y) / (n * m) - within


def _total(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the sum of the distances of all pairs."""
    return sum(np.sum(cdist(x[block], y)) for block in gen_batches(len(x), _BLOCK))


def _distribution(dataset: Dataset) -> PlaneDistribution:
    if dataset.distribution is None:
        raise InputError(
            f"{dataset.name} has no known distribution: remove PlaneSamples from the evals"
        )
    return dataset.distribution
