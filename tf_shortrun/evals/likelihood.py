"""How probable test images are: two estimates of log p(x) from below.

Both are nats for each image. A density is one in the units of the data set: `Dataset.unit`
of them are one of ours, which run over [-1, 1].

References:
  Y. Burda, R. Grosse, R. Salakhutdinov, Importance weighted autoencoders, ICLR 2016.
  Y. Wu, Y. Burda, R. Salakhutdinov, R. Grosse, On the quantitative analysis of
    decoder-based generative models, ICLR 2017.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import HasDensity, Learner, Weighs
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals import subset
from tf_shortrun.kernels import annealing


@dataclasses.dataclass(frozen=True)
class ImportanceSampling:
    """Log-likelihood by draws of the learner's own inference, and its lower bound.

        log p(x) ~ log 1/M sum_m w_m,     w_m = p(x, z_m) / q(z_m | x),   z_m ~ q
        bound    = 1/M sum_m log w_m,     ess = (sum_m w_m)^2 / sum_m w_m^2

    `log_likelihood/importance` is too low in expectation and rises to log p(x) with M; `bound`
    is what it is at M = 1. `importance_ess`, between 1 and M, says how many draws count: near
    1, log p(x) may be far above.

    A chain with given noise is a deterministic map of its start, and q the density that this
    map pushes forward: importance sampling on the extended space of z and noise. That has two
    consequences for chains with noise or large steps.
    - A chain that forgets its start has a narrow q, given its noise. `bound` is too low by
      KL(q | posterior) + I(z; noise), the mutual information, and the other number by not much
      less, even if `importance_ess` looks good: the better chain can have the lower number.
      `AnnealedSampling` does not suffer from it.
    - It is exact only while the map is one to one. Where it folds, z is counted once for each
      start that leads to it, and both numbers are too high.

    level_width: of the levels that observations had before noise of that width was spread
      over them, 2 / 255 for bytes on [-1, 1]. Adds `bits_per_dim`, of levels:
      -(log p(x) / D + log level_width) / log 2.

    The noise of draw m for batch b comes from fold(fold(seed, b), m).
    """

    metrics: ClassVar = {
        "log_likelihood/importance": Metric("higher", "By importance sampling, nats per example."),
        "bound": Metric("higher", "Lower bound of the log-likelihood, nats per example."),
        "importance_ess": Metric("higher", "Draws that count in log_likelihood/importance."),
        "bits_per_dim": Metric("lower", "Negative log-likelihood in bits per number."),
    }

    num_images: int
    num_samples: int
    batch_size: int
    level_width: float | None = None
    __post_init__ = check_counts

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Means over images.

        Raises:
          InputError: if the learner has no weights.
        """
        require(learner, Weighs, "ImportanceSampling")
        batches = subset.spread(dataset, self.num_images).test_batches(self.batch_size)
        spec = [batches.element_spec, tf.TensorSpec([2], tf.int32)]
        log_weights = tf.function(learner.log_weights, input_signature=spec)
        found = []
        for b, batch in enumerate(batches):
            batch_seed = noise.fold(seed, b)
            draws = (log_weights(batch, noise.fold(batch_seed, m)) for m in range(self.num_samples))
            found.append(summarize(draws))
        likelihood, bound, ess = np.mean(np.concatenate(found, axis=1), axis=1)
        dimensions = math.prod(dataset.image_shape)
        likelihood, bound = np.subtract((likelihood, bound), dimensions * math.log(dataset.unit))
        names = ("log_likelihood/importance", "bound", "importance_ess")
        metrics = dict(zip(names, map(float, (likelihood, bound, ess)), strict=True))
        if self.level_width is not None:
            bits = -likelihood / dimensions - math.log(self.level_width)
            metrics["bits_per_dim"] = float(bits / math.log(2.0))
        return metrics

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """How each number was made, one sentence each."""
        images = subset.phrase(dataset, self.num_images)
        made = f"mean over {images}, {self.num_samples} draws of the learner's inference each"
        sentences = {
            "log_likelihood/importance": (
                f"Log-likelihood by importance sampling, nats, {made}: "
                "a lower bound in expectation that closes with the number of draws."
            ),
            "bound": f"Evidence lower bound, the mean log weight, nats, {made}: a bound.",
            "importance_ess": f"Effective sample size of the importance weights, {made}.",
        }
        if self.level_width is not None:
            sentences["bits_per_dim"] = (
                "From log_likelihood/importance, for levels "
                f"{self.level_width:.3g} apart on [-1, 1]: an upper bound in expectation."
            )
        return sentences


@dataclasses.dataclass(frozen=True)
class AnnealedSampling:
    """Log-likelihood by annealed importance sampling: see `kernels/annealing.py`.

        log p(x) ~ log 1/C sum_c w_c

    It is too low in expectation and rises to log p(x) with `num_steps`, the temperatures of
    each of C = `num_chains` chains. Needs a density, and not the learner's inference:
    learners of every kind are comparable. `ais_acceptance` should be near 0.8; far from it,
    the step sizes did not follow the temperatures: take more steps.

    The noise of batch b comes from fold(seed, b).
    """

    metrics: ClassVar = {
        "log_likelihood/ais": Metric(
            "higher", "By annealed importance sampling, nats per example."
        ),
        "ais_acceptance": Metric("", "Accepted share of the moves behind log_likelihood/ais."),
    }

    num_images: int
    num_chains: int
    num_steps: int
    max_leapfrog_steps: int
    batch_size: int
    __post_init__ = check_counts

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Means over images.

        Raises:
          InputError: if the learner has no density.
        """
        require(learner, HasDensity, "AnnealedSampling")
        batches = subset.spread(dataset, self.num_images).test_batches(self.batch_size)
        move = annealing.make_move(learner, self.max_leapfrog_steps)
        log_likelihoods, acceptances = [], []
        for b, batch in enumerate(batches):
            log_weights, acceptance = annealing.anneal(
                move, learner, batch, self.num_chains, self.num_steps, noise.fold(seed, b)
            )
            log_likelihoods.append(summarize(log_weights)[0])
            acceptances.append(np.mean(acceptance, axis=0))
        return {
            "log_likelihood/ais": float(np.mean(np.concatenate(log_likelihoods))),
            "ais_acceptance": float(np.mean(np.concatenate(acceptances))),
        }

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """How each number was made, one sentence each."""
        made = (
            f"over {subset.phrase(dataset, self.num_images)}, {self.num_chains} chains each of "
            f"{self.num_steps} Hamiltonian moves from prior to posterior, "
            f"1 to {self.max_leapfrog_steps} leapfrog steps a move"
        )
        return {
            "log_likelihood/ais": (
                f"Log-likelihood by annealed importance sampling, nats, mean {made}: "
                "a lower bound in expectation that closes with the number of moves."
            ),
            "ais_acceptance": f"Mean probability of accepting a move, {made}.",
        }


def summarize(log_weights: Iterable[np.ndarray]) -> np.ndarray:
    """log mean_m w_m, mean_m log w_m and (sum_m w_m)^2 / sum_m w_m^2: [3, B].

    Takes the draws [B] one after the other: memory does not grow with their number.
    """
    num, total, log_sum, log_square_sum = 0, 0.0, -np.inf, -np.inf
    for draw in log_weights:
        draw = np.asarray(draw, np.float64)
        num, total = num + 1, total + draw
        log_sum = np.logaddexp(log_sum, draw)
        log_square_sum = np.logaddexp(log_square_sum, 2.0 * draw)
    effective = np.exp(2.0 * log_sum - log_square_sum)
    return np.stack([log_sum - np.log(num), total / num, effective])
