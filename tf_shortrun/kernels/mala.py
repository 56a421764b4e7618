"""Langevin moves with acceptance or rejection, which leave the target p exactly invariant.

    z' = z + s grad log p(z) + sqrt(2 s) xi,     xi ~ N(0, I)
    log r = log p(z') - log p(z) + log q(z | z') - log q(z' | z)
    log q(b | a) = -||b - a - s grad log p(a)||^2 / (4 s)
    z <- z' with probability min(1, r), example by example

`step_size` is s, as in `langevin.py`. All layers of a nest move together, and one ratio accepts
or rejects them together. (The published ratio omits the proposal density q; the released code uses
norms without squares. Neither leaves p invariant.)

References: G. O. Roberts, R. L. Tweedie, Exponential convergence of Langevin distributions and
their discrete approximations, Bernoulli 1996.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_shortrun.core import nest, noise
from tf_shortrun.core.shapes import Latents, Seed


class MalaState(NamedTuple):
    """The state of the chains.

    Attributes:
      log_prob: [B], at `latents`.
      gradients: the gradient of log_prob, of the shapes of `latents`.
    """

    latents: Latents
    log_prob: tf.Tensor
    gradients: Latents


class MalaInfo(NamedTuple):
    """A record of one step.

    Attributes:
      acceptance: [B], the probability that the move is accepted.
    """

    acceptance: tf.Tensor


def init(log_prob_fn: Callable[[Latents], tf.Tensor], latents: Latents) -> MalaState:
    """Returns the state at `latents`; for `log_prob_fn` see `langevin.make_step`."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(latents)
        log_prob = log_prob_fn(latents)
    return MalaState(latents, log_prob, tape.gradient(log_prob, latents))


def make_step(log_prob_fn: Callable[[Latents], tf.Tensor]) -> Callable:
    """Returns the kernel `step(state, step_sizes, seed)`; its control is [L], a size per layer."""

    def step(state: MalaState, step_sizes: tf.Tensor, seed: Seed):
        sizes = tf.unstack(step_sizes)
        xi = nest.normal_like(state.latents, noise.stream(seed, "proposal"))
        moved = [
            z + s * g + tf.sqrt(2.0 * s) * e
            for z, s, g, e in zip(state.latents, sizes, state.gradients, xi, strict=True)
        ]
        proposal = init(log_prob_fn, moved)
        log_ratio = proposal.log_prob - state.log_prob
        log_ratio += _log_move(proposal, state, sizes) - _log_move(state, proposal, sizes)
        # A NaN ratio rejects the move.
        acceptance = tf.where(tf.math.is_nan(log_ratio), 0.0, tf.exp(tf.minimum(log_ratio, 0.0)))
        uniform = noise.uniform(noise.stream(seed, "acceptance"), [tf.shape(acceptance)[0], 1])
        accepted = uniform < acceptance[:, None]
        kept = tf.nest.map_structure(
            lambda new, old: tf.where(_like(accepted, new), new, old), proposal, state
        )
        return kept, MalaInfo(acceptance)

    return step


def _log_move(start: MalaState, end: MalaState, sizes: list[tf.Tensor]) -> tf.Tensor:
    """Returns log q(end | start) up to a constant: [B]."""
    distances = [
        tf.reduce_sum((b - a - s * g) ** 2, axis=list(range(1, len(a.shape)))) / (4.0 * s)
        for a, b, g, s in zip(start.latents, end.latents, start.gradients, sizes, strict=True)
    ]
    return -tf.add_n(distances)


def _like(accepted: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """Reshapes [B, 1] to the rank of `x`: [B], [B, 1], [B, 1, 1], ..."""
    return tf.reshape(accepted, [-1] + [1] * (len(x.shape) - 1))
