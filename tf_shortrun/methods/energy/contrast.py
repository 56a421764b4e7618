"""What an energy learns from data x and from what the generator makes.

`Difference` is the published contrast, its samples x_j taken for draws from exp(-E) / Z:

    mean E(x) - mean E(x_j) + lambda mean ||grad_x E(x)||^2

Nothing in it says how large E must be: a generator that lags behind lets it grow, and the
penalty that holds it back makes it flat. `Ranking` asks for less. Its proposals are what the
generator makes, blurred by noise of many widths, so that their density q is known:

    x_j = G(z_j) + sigma_k e_j,    q(x) = mean_j mean_k N(x; G(z_j), sigma_k^2 I)
    mean -log [ r(x) / (r(x) + sum_j r(x_j)) ],    r = exp(-E) / q

It is the cost of picking the datum out from among the proposals. Each of these counts as much as
E, not the generator, says. The loss is never negative, so E cannot run away; with many proposals
its gradient is that of the likelihood, whatever the generator makes, and E is in nats. The
density is that of a mixture, of use where there are few numbers in an observation.

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
    """The contract."""

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
        """The loss of the energy at data `x`, and what is worth to be seen of it."""


class Difference:
    """The difference of mean energies, and a penalty of the slope at data, centred at 0.

    Metrics: energy_data, energy_samples, the two means; penalty, mean ||grad_x E(x)||^2.

    Args:
      penalty: lambda.
      penalty_reduction: `sum` over all numbers of an observation, as the formula says; `pixel`
        for a mean over pixels, the released code on images.
      refinement: of the samples; None leaves them as the generator makes them.
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
    """A datum is to be told from proposals of known density.

    Metrics: energy_data, mean E(x); ranking, the loss; effective, how many proposals count.

    Args:
      num_proposals: shared by all data of all replicas.
      sigmas: widths of the noise. The narrowest should be about as wide as the narrowest mode
        of the data, the widest reach from what the generator makes to all of the data.
    """

    def __init__(self, num_proposals: int, sigmas: Sequence[float]):
        if num_proposals < 1 or not sigmas or not all(sigma > 0 for sigma in sigmas):
            raise InputError(
                f"Ranking has num_proposals {num_proposals}, sigmas {sigmas}: choose a proposal "
                "at least, and positive widths"
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
        """log q at points [B, ...] around centers [N, ...]: [B], nats."""
        points, centers = (tf.reshape(p, [tf.shape(p)[0], -1]) for p in (points, centers))
        squares = tf.reduce_sum((points[:, None] - centers) ** 2, axis=-1)[..., None]
        sigma = tf.constant(self._sigmas)
        log_scale = 0.5 * tf.math.log(2.0 * math.pi * sigma**2)
        width = tf.cast(tf.shape(points)[1], tf.float32)
        terms = -squares / (2.0 * sigma**2) - width * log_scale
        log_num = tf.math.log(tf.cast(tf.shape(centers)[0] * len(self._sigmas), tf.float32))
        return tf.reduce_logsumexp(terms, axis=[1, 2]) - log_num


def observe(generator: Generator, information: Information, num, seed: Seed) -> tf.Tensor:
    """`num` new observations, with the noise that `information` needs."""
    z = generator.sample_latents(num, noise.stream(seed, "latents"))
    return information.observe(generator, z, noise.stream(seed, "observation"))
