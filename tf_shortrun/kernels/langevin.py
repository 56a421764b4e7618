"""Langevin dynamics on a nest of latents.

    z <- z + s M grad log p(z) + noise_scale sqrt(2 s M) xi,     xi ~ N(0, I)

with M the identity or a diagonal preconditioner that stays the same along the chain.

`step_size` is s. This is the convention of Nijkamp et al. 2020, and the only one in this
package. Other codes write the same move as z + h/2 grad + sqrt(h) xi with h = 2 s
(TensorFlow Probability), or as z + c^2/2 grad + c xi with c = sqrt(2 s) (released code of
the paper: c = 0.05 is s = 0.00125).

noise_scale = 1 gives Langevin dynamics, 0 gradient ascent (the first version of the paper).
A bound on the move shortens the drift s M grad log p, not the noise, where it is too long.

References: E. Nijkamp et al., ECCV 2020. G. O. Roberts, R. L. Tweedie, Exponential
convergence of Langevin distributions and their discrete approximations, Bernoulli 1996
(section 1.4.1: a truncated drift keeps a chain from running away).
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_shortrun.core import nest
from tf_shortrun.core.shapes import Latents, Seed


class LangevinState(NamedTuple):
    latents: Latents


class LangevinInfo(NamedTuple):
    """A record of one step.

    Attributes:
      log_prob: [B], before the move.
      gradient_norm: [B, L], the norm of the gradient in each layer.
    """

    log_prob: tf.Tensor
    gradient_norm: tf.Tensor


def make_step(
    log_prob_fn: Callable[[Latents], tf.Tensor],
    noise_scale: float,
    preconditioner: Latents | None = None,
    longest_move: float | None = None,
) -> Callable:
    """Returns the kernel `step(state, step_sizes, seed)`; its control is [L], a size per layer.

    Args:
      log_prob_fn: log density up to a constant, [B]. The value of an example must not depend on
        other examples, because the code takes the gradient of the sum over the batch.
      preconditioner: the diagonal of M, [d_l] for each layer; None for the identity.
      longest_move: bound on the drift of an example, root mean square over all its latents.
    """

    def step(state: LangevinState, step_sizes: tf.Tensor, seed: Seed):
        log_prob, gradients = _value_and_gradients(log_prob_fn, state.latents)
        sizes = scaled(step_sizes, preconditioner)
        drifts = [s * g for s, g in zip(sizes, gradients, strict=True)]
        if longest_move is not None:
            drifts = shortened(drifts, longest_move)
        moved = [z + drift for z, drift in zip(state.latents, drifts, strict=True)]
        if noise_scale:
            xi = nest.normal_like(moved, seed)
            moved = [
                z + noise_scale * tf.sqrt(2 * s) * e
                for z, s, e in zip(moved, sizes, xi, strict=True)
            ]
        norms = tf.stack([tf.norm(g, axis=-1) for g in gradients], axis=-1)
        return LangevinState(moved), LangevinInfo(log_prob, norms)

    return step


def scaled(step_sizes: tf.Tensor, preconditioner: Latents | None) -> list[tf.Tensor]:
    """Returns s M for each layer: a number, or [d_l]."""
    sizes = tf.unstack(step_sizes)
    if preconditioner is None:
        return sizes
    return [s * m for s, m in zip(sizes, preconditioner, strict=True)]


def shortened(moves: Latents, longest: float) -> list[tf.Tensor]:
    """Returns the moves of each example, all scaled so that their root mean square is in bounds."""
    width = sum(move.shape[-1] for move in moves)
    length = tf.sqrt(nest.squared_norm(moves) / width)[:, None]
    return [move * longest / tf.maximum(length, longest) for move in moves]


def _value_and_gradients(log_prob_fn, latents):
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(latents)
        log_prob = log_prob_fn(latents)
    return log_prob, tape.gradient(log_prob, latents)
