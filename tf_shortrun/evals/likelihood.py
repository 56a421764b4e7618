"""Evals of log p(x) of test images: two estimates, which are lower bounds in expectation.

Both are in nats for each image. Densities are stated in published units of the data set: one unit
on the scale [-1, 1] of this package is `Dataset.unit` published units.

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
from tf_shortrun.core.contracts import HasDensity, Learner, Weighs
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.evaluation import Metric, needs
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals import subset
from tf_shortrun.kernels import annealing


@dataclasses.dataclass(frozen=True)
class ImportanceSampling:
    """An eval of the log-likelihood by importance sampling with the inference of the learner.

        log p(x) ~ log 1/M sum_m w_m,     w_m = p(x, z_m) / q(z_m | x),   z_m ~ q
        bound    = 1/M sum_m log w_m,     ess = (sum_m w_m)^2 / sum_m w_m^2

    `log_likelihood/importance` is a lower bound in expectation and rises to log p(x) with M;
    `bound` is its value at M = 1. `importance_ess`, between 1 and M, is the effective number of
    draws: if it is near 1, log p(x) can be much higher.

    A chain with given noise is a deterministic map of its start, and q is the density that this
    map pushes forward: importance sampling on the extended space of z and noise. This has two
    consequences for chains with noise or large steps.
    - A chain that forgets its start has a narrow q, given its noise. `bound` is too low by
      KL(q | posterior) + I(z; noise), the mutual information, and the other number by not much
      less, even if `importance_ess` is high: a better chain can have a lower number.
      `AnnealedSampling` does not have this error.
    - The weights are exact only while the map is one to one. Where several starts lead to the same
      z, the sampler counts z once for each start, and both numbers are too high.

    level_width: distance of the levels of observations, over which uniform noise of the same width
      was spread: 2 / 255 for bytes on [-1, 1]. If given, the eval adds `bits_per_dim`, the bits of
      levels: -(log p(x) / D + log level_width) / log 2.

    The noise of draw m for batch b comes from fold(fold(seed, b), m).
    """

    metrics: ClassVar = {
        "log_likelihood/importance": Metric("higher", "By importance sampling, nats per example."),
        "bound": Metric("higher", "Lower bound of the log-likelihood, nats per example."),
        "importance_ess": Metric("higher", "Effective draws in log_likelihood/importance."),
        "bits_per_dim": Metric("lower", "Negative log-likelihood in bits per number."),
    }

    num_images: int
    num_samples: int
    batch_size: int
    level_width: float | None = None
    __post_init__ = check_counts
    check = needs(Weighs)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns means over images.

        Raises:
          InputError: if the learner has no importance weights.
        """
        self.check(learner, dataset)
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
        """Returns a sentence on how each number was measured, by name."""
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
    """An eval of the log-likelihood by annealed importance sampling, see `kernels/annealing.py`.

        log p(x) ~ log 1/C sum_c w_c

    The estimate is a lower bound in expectation and rises to log p(x) with `num_steps`, the number
    of temperatures of each of C = `num_chains` chains. It needs the density of the learner, not the
    inference, so all kinds of learners are comparable. `ais_acceptance` should be near 0.8. If it
    is far from 0.8, the step sizes did not follow the temperatures: use more steps.

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
    check = needs(HasDensity)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns means over images.

        Raises:
          InputError: if the learner has no density.
        """
        self.check(learner, dataset)
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
        """Returns a sentence on how each number was measured, by name."""
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
    """Returns log mean_m w_m, mean_m log w_m and (sum_m w_m)^2 / sum_m w_m^2: [3, B].

    It reads the draws [B] one after the other, so memory does not grow with their number.
    """
    num, total, log_sum, log_square_sum = 0, 0.0, -np.inf, -np.inf
    for draw in log_weights:
        draw = np.asarray(draw, np.float64)
        num, total = num + 1, total + draw
        log_sum = np.logaddexp(log_sum, draw)
        log_square_sum = np.logaddexp(log_square_sum, 2.0 * draw)
    effective = np.exp(2.0 * log_sum - log_square_sum)
    return np.stack([log_sum - np.log(num), total / num, effective])
