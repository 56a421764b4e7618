"""Losses of an energy, which contrast data x with samples of the generator.

`Difference` is the published contrast, which treats samples x_j as draws from exp(-E) / Z:

    mean E(x) - mean E(x_j) + lambda mean ||grad_x E(x)||^2

This loss does not fix the scale of E. If the generator lags behind, E grows, and the penalty
that limits its growth makes E flat. `Ranking` assumes less. Its proposals are outputs of the
generator with added noise of several widths, so that their density q is known:

    x_j = G(z_j) + sigma_k e_j,    q(x) = mean_j mean_k N(x; G(z_j), sigma_k^2 I)
    mean -log [ r(x) / (r(x) + sum_j r(x_j)) ],    r = exp(-E) / q

This is the cross-entropy of finding the datum among the proposals. Their weights r correct for q,
so that E and not the generator decides how much a proposal counts. The loss is never negative, so
E cannot diverge. With many proposals its gradient is that of the likelihood for any generator, and
E is in nats. q is a mixture density, which is useful for observations of few dimensions.

References:
  R. Kumar, S. Ozair, A. Goyal, A. Courville, Y. Bengio, Maximum entropy generators for
    energy-based models, arXiv 1901.08508 (the difference).
  Z. Ma, M. Collins, Noise contrastive estimation and negative sampling for conditional models,
    EMNLP 2018 (the ranking loss and its limit).
"""

import math
from collections.abc import Sequence
from typing import Literal, Protocol

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Metrics, Seed
from tf_shortrun.methods.energy import adversarial
from tf_shortrun.methods.energy.energy import Energy, Generator
from tf_shortrun.methods.energy.information import Information
from tf_shortrun.methods.energy.refinement import Refinement


class Contrast(Protocol):
    """A loss of the energy that contrasts data with samples of the generator."""

    def check(self, state_shape: Sequence[int]) -> None:
        """Raises InputError if observations cannot have this shape."""

    def __call__(
        self,
        energy: Energy,
        generator: Generator,
        information: Information,
        x: tf.Tensor,
        seed: Seed,
    ) -> tuple[tf.Tensor, Metrics]:
        """Returns the loss of the energy at data `x`, and its metrics."""


class Difference:
    """The difference of mean energies, and a penalty of ||grad_x E||^2 at data, centred at 0.

    Metrics: energy_data, energy_samples, the two means; penalty, mean ||grad_x E(x)||^2.

    Args:
      penalty: lambda.
      penalty_reduction: `sum` over all components of an observation, as in the formula; `pixel`
        for a mean over pixels, as in the released code on images.
      refinement: chains that move the samples first; None for samples of the generator itself.
    """

    def __init__(
        self,
        penalty: float,
        penalty_reduction: Literal["sum", "pixel"] = "sum",
        refinement: Refinement | None = None,
    ):
        if not penalty >= 0:
            raise InputError(f"penalty is {penalty}: choose a weight from 0 on")
        self._penalty, self._penalty_reduction = penalty, penalty_reduction
        self._refinement = refinement

    def check(self, state_shape):
        if self._penalty_reduction == "pixel" and len(state_shape) != 3:
            raise InputError(
                f"penalty_reduction is pixel and observations are {state_shape}: choose sum"
            )

    def __call__(self, energy, generator, information, x, seed):
        samples = observe(generator, information, tf.shape(x)[0], noise.stream(seed, "samples"))
        if self._refinement is not None:
            samples = self._refinement(energy.energy, samples, noise.stream(seed, "refinement"))
        samples = tf.stop_gradient(samples)
        data, made = (tf.reduce_mean(energy.energy(points)) for points in (x, samples))
        squares = adversarial.squared_norm(adversarial.slope(energy.energy, x))
        penalty = tf.reduce_mean(self._reduced(squares, energy.state_shape))
        metrics = {"energy_data": data, "energy_samples": made, "penalty": penalty}
        return data - made + self._penalty * penalty, metrics

    def _reduced(self, squares: tf.Tensor, state_shape) -> tf.Tensor:
        if self._penalty_reduction == "sum":
            return squares
        height, width, _ = state_shape
        return squares / (height * width)


class Ranking:
    """The cross-entropy of finding a datum among proposals of known density.

    Metrics: energy_data, mean E(x); ranking, the loss; effective, the effective number of
    proposals, 1 / (sum of squared normalised weights).

    Args:
      num_proposals: number of proposals, shared by all data of all replicas.
      sigmas: widths of the noise. The smallest should be about the width of the narrowest mode
        of the data, the largest should reach from the samples of the generator to all data.
    """

    def __init__(self, num_proposals: int, sigmas: Sequence[float]):
        if num_proposals < 1 or not sigmas or not all(sigma > 0 for sigma in sigmas):
            raise InputError(
                f"Ranking has num_proposals {num_proposals}, sigmas {sigmas}: choose at "
                "least one proposal, and positive widths"
            )
        self._num_proposals, self._sigmas = num_proposals, tuple(sigmas)

    def check(self, state_shape):
        del state_shape

    def __call__(self, energy, generator, information, x, seed):
        del information
        z = noise.shared_normal(
            noise.stream(seed, "latents"), [self._num_proposals, generator.latent_width]
        )
        centers = tf.stop_gradient(generator(z))
        e = noise.shared_normal(
            noise.stream(seed, "observation"), [self._num_proposals, *centers.shape[1:]]
        )
        places = tf.range(self._num_proposals) % len(self._sigmas)
        sigma = tf.reshape(tf.gather(self._sigmas, places), [-1] + [1] * (len(e.shape) - 1))
        log_data, log_made = (
            -energy.energy(points) - self.log_density(points, centers)
            for points in (x, centers + sigma * e)
        )
        loss = tf.reduce_mean(tf.nn.softplus(tf.reduce_logsumexp(log_made) - log_data))
        effective = 1.0 / tf.reduce_sum(tf.nn.softmax(log_made) ** 2)
        data = tf.reduce_mean(energy.energy(x))
        return loss, {"energy_data": data, "ranking": loss, "effective": effective}

    def log_density(self, points: tf.Tensor, centers: tf.Tensor) -> tf.Tensor:
        """Returns log q at points [B, ...] for centers [N, ...]: [B], nats."""
        points, centers = (tf.reshape(p, [tf.shape(p)[0], -1]) for p in (points, centers))
        squares = tf.reduce_sum((points[:, None] - centers) ** 2, axis=-1)[..., None]
        sigma = tf.constant(self._sigmas)
        log_scale = 0.5 * tf.math.log(2.0 * math.pi * sigma**2)
        width = tf.cast(tf.shape(points)[1], tf.float32)
        terms = -squares / (2.0 * sigma**2) - width * log_scale
        log_num = tf.math.log(tf.cast(tf.shape(centers)[0] * len(self._sigmas), tf.float32))
        return tf.reduce_logsumexp(terms, axis=[1, 2]) - log_num


def observe(generator: Generator, information: Information, num, seed: Seed) -> tf.Tensor:
    """Draws `num` observations of the generator, with the noise that `information` adds."""
    z = generator.sample_latents(num, noise.stream(seed, "latents"))
    return information.observe(generator, z, noise.stream(seed, "observation"))
