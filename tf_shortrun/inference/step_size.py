"""Two objectives that choose the step sizes of a short run, and two ways to minimise them.

`kl_hat` is the published estimator. The noise xi of the chain is held fixed, so that z_K is
a smooth function of z_0:

    KL_hat(s) = E[ log p(z_0) - log |det dz_K / dz_0| - log p(x, z_K) ]        (+ log p(x))
    log |det dz_K / dz_0| = sum_k log |det(I - S^1/2 H_k S^1/2)|,   H_k = -Hess log p(z_k, x)

Conditioning on xi makes it KL(q || posterior) + I(z_K; xi): exact without noise, and with
noise it chooses steps that are too small.

`energy_score` has no determinant and no such bias. On pairs from the model itself,
z* ~ p(z), x* ~ p(x | z*), with two independent chains u, u' on each x*:

    ES(s) = E ||u - z*|| - 1/2 E ||u - u'||

It is a strictly proper scoring rule: smallest, over all laws of u given x*, at the posterior.

References: E. Nijkamp et al., ECCV 2020 (the objective; the determinant is in the code of
the same group's EACL 2021 paper). T. Gneiting, A. E. Raftery, Strictly proper scoring
rules, prediction, and estimation, JASA 2007.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun import noise
from tf_shortrun.dynamics import langevin
from tf_shortrun.dynamics.unroll import unroll
from tf_shortrun.inference.short_run import run_chain
from tf_shortrun.models.latent_model import LatentModel
from tf_shortrun.shapes import Seed

_FLOOR = 1e-6  # of |1 - eigenvalue|: a direction that one step collapses


class _Volume(NamedTuple):
    """A Langevin state, and log |det dz_k / dz_0| so far, [B]."""

    state: langevin.LangevinState
    log_det: tf.Tensor


def kl_hat(
    model: LatentModel, x: tf.Tensor, step_sizes: tf.Tensor, seed: Seed, noise_scale: float = 1.0
) -> tf.Tensor:
    """The published objective without the constant log p(x), nats, mean over `x`.

    Costs a Hessian [d, d] for every step and observation: use few observations.

    Args:
      step_sizes: [K, L]; differentiable.
    """
    start = model.sample_latents(tf.shape(x)[0], noise.fold(seed, 0))
    step = _volume_step(lambda z: model.log_joint(z, x), noise_scale)
    begin = _Volume(langevin.LangevinState(start), tf.zeros(tf.shape(x)[0]))
    end, _ = unroll(step, begin, step_sizes, noise.fold(seed, 1))
    log_start = tf.add_n([p.log_prob(z) for p, z in zip(model.prior, start, strict=True)])
    log_end = model.log_joint(end.state.latents, x)
    return tf.reduce_mean(log_start - end.log_det - log_end)


def energy_score(
    model: LatentModel, num: int, step_sizes: tf.Tensor, seed: Seed, noise_scale: float = 1.0
) -> tf.Tensor:
    """The energy score on `num` pairs drawn from the model; its cost does not grow with d.

    Args:
      step_sizes: [K, L]; differentiable.
    """
    latents = model.sample_latents(num, noise.fold(seed, 0))
    mean = model(latents)
    x = mean + model.sigma * noise.normal(noise.fold(seed, 1), mean.shape)
    both = tf.concat([x, x], axis=0)  # rows have their own noise: two independent chains
    ends, _ = run_chain(model, both, step_sizes, noise.fold(seed, 2), noise_scale)
    u, other = tf.split(tf.concat(ends.latents, axis=-1), 2)
    truth = tf.concat(latents, axis=-1)
    return tf.reduce_mean(tf.norm(u - truth, axis=-1) - 0.5 * tf.norm(u - other, axis=-1))


def grid_search(objective: Callable, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best of `candidates` [N, K, L] and all values [N], with common random numbers.

    Args:
      objective: `step_sizes [K, L] -> scalar`, the same noise every time.
    """
    compiled = tf.function(objective)
    values = np.array([compiled(tf.constant(c, tf.float32)) for c in candidates])
    return candidates[np.nanargmin(values)], values


def learn(
    objective: Callable, start: np.ndarray, num_updates: int, learning_rate: float
) -> np.ndarray:
    """Step sizes [K, L] by Adam on their logarithm; the mean of the last quarter of the way.

    Args:
      objective: `(step_sizes [K, L], update) -> scalar`, with new noise for every update.
    """
    log_sizes = tf.Variable(np.log(start), dtype=tf.float32)
    decay = keras.optimizers.schedules.CosineDecay(learning_rate, num_updates)
    optimizer = keras.optimizers.Adam(decay)
    optimizer.build([log_sizes])

    @tf.function
    def update(k):
        with tf.GradientTape() as tape:
            value = objective(tf.exp(log_sizes), k)
        # Beyond the stable step a chain explodes: one such draw must not set Adam's scale.
        gradient = tf.clip_by_norm(tape.gradient(value, log_sizes), 1.0)
        optimizer.apply([gradient], [log_sizes])

    late = []
    for k in range(num_updates):
        update(tf.constant(k))
        if k >= num_updates * 3 // 4:
            late.append(log_sizes.numpy())
    return np.exp(np.mean(late, axis=0))


def _volume_step(log_prob_fn: Callable, noise_scale: float) -> Callable:
    langevin_step = langevin.make_step(log_prob_fn, noise_scale)

    def step(volume: _Volume, step_sizes: tf.Tensor, seed: Seed):
        latents = volume.state.latents
        widths = [z.shape[-1] for z in latents]
        root = tf.sqrt(tf.repeat(step_sizes, widths))
        hessian = _negative_hessian(log_prob_fn, latents)
        factors = 1.0 - tf.linalg.eigvalsh(root[:, None] * hessian * root)
        log_det = tf.reduce_sum(tf.math.log(tf.maximum(tf.abs(factors), _FLOOR)), axis=-1)
        state, info = langevin_step(volume.state, step_sizes, seed)
        return _Volume(state, volume.log_det + log_det), info

    return step


def _negative_hessian(log_prob_fn: Callable, latents) -> tf.Tensor:
    """-Hess log p for every example, all layers as one vector: [B, d, d], symmetric."""
    widths = [z.shape[-1] for z in latents]
    flat = tf.concat(latents, axis=-1)
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(flat)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(flat)
            log_prob = log_prob_fn(tf.split(flat, widths, axis=-1))
        gradient = inner.gradient(log_prob, flat)
    return -outer.batch_jacobian(gradient, flat)
