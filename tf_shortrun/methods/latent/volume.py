"""The volume change by a Langevin step with fixed noise.

Given the noise xi of a chain, z_K is a smooth function of z_0 and has the density

    log q(z_K | x, xi) = log q_0(z_0) - log |det dz_K / dz_0|
    log |det dz_K / dz_0| = sum_k log |det(I - S^1/2 H_k S^1/2)|,   H_k = -Hess log p(z_k, x)

with S = s M, diagonal, which does not depend on z. The matrix of each factor is symmetric, so its
eigenvalues are real and their derivatives are stable. The density counts one start only: if steps
are so large that two starts lead to the same end, the true density is larger.

References: E. Nijkamp et al., ECCV 2020 (the determinant is in the code of the same group's
EACL 2021 paper, by the non-symmetric product).
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_shortrun.core.shapes import Latents, Seed
from tf_shortrun.kernels import langevin

_FLOOR = 1e-6  # least |1 - eigenvalue|, which is 0 if a step collapses a direction


class VolumeState(NamedTuple):
    """A Langevin state z_k, and log |det dz_k / dz_0|: [B]."""

    state: langevin.LangevinState
    log_det: tf.Tensor


def begin(latents: Latents) -> VolumeState:
    """Returns the state before the first step, with log determinant 0."""
    return VolumeState(langevin.LangevinState(latents), tf.zeros_like(latents[0][:, 0]))


def make_step(
    log_prob_fn: Callable, noise_scale: float, preconditioner: Latents | None = None
) -> Callable:
    """Returns the kernel of `langevin.make_step` that also accumulates the log determinant."""
    langevin_step = langevin.make_step(log_prob_fn, noise_scale, preconditioner)

    def step(volume: VolumeState, step_sizes: tf.Tensor, seed: Seed):
        latents = volume.state.latents
        sizes = langevin.scaled(step_sizes, preconditioner)
        each = [tf.broadcast_to(s, z.shape[-1:]) for s, z in zip(sizes, latents, strict=True)]
        root = tf.sqrt(tf.concat(each, axis=0))
        hessian = _negative_hessian(log_prob_fn, latents)
        factors = 1.0 - tf.linalg.eigvalsh(root[:, None] * hessian * root)
        log_det = tf.reduce_sum(tf.math.log(tf.maximum(tf.abs(factors), _FLOOR)), axis=-1)
        state, info = langevin_step(volume.state, step_sizes, seed)
        return VolumeState(state, volume.log_det + log_det), info

    return step


def _negative_hessian(log_prob_fn: Callable, latents: Latents) -> tf.Tensor:
    """Returns -Hess log p for every example, all layers as one vector: [B, d, d], symmetric."""
    widths = [z.shape[-1] for z in latents]
    flat = tf.concat(latents, axis=-1)
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(flat)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(flat)
            log_prob = log_prob_fn(tf.split(flat, widths, axis=-1))
        gradient = inner.gradient(log_prob, flat)
    return -outer.batch_jacobian(gradient, flat)
