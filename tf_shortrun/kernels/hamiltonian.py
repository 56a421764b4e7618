"""Hamiltonian Monte Carlo with C chains for each of B images: latents are [C, B, d_l].

Every image has a step size of its own, [1, B, 1], as some posteriors are much narrower
than others. The number of leapfrog steps is drawn anew for every move: with the same number
throughout, a direction whose half period it meets goes from z to -z and back for ever.

References:
  R. M. Neal, MCMC using Hamiltonian dynamics, Handbook of Markov Chain Monte Carlo 2011
    (section 3.2 on the number of steps).
"""

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import HasDensity
from tf_shortrun.core.shapes import Batch, Latents, Seed

# The best is 0.65 in many dimensions (Neal 2011); above it less is lost than below.
TARGET_ACCEPTANCE = 0.8
_FIRST_STEP_SIZE = 0.5  # for the prior, N(0, I)


def start(
    learner: HasDensity, batch: Batch, num_chains: int, seed: Seed
) -> tuple[Latents, tf.Tensor]:
    """Draws from the prior, [C, B, d_l] each, and a step size for each image, [1, B, 1]."""
    num_images = batch["image"].shape[0]
    latents = learner.sample_latents(num_chains * num_images, seed)
    latents = [tf.reshape(z, [num_chains, num_images, z.shape[-1]]) for z in latents]
    return latents, tf.fill([1, num_images, 1], _FIRST_STEP_SIZE)


def over_chains(log_prob_fn: Callable, batch: Batch) -> Callable:
    """From `log_prob_fn(latents, batch) -> [B]` to `log_prob(*latents) -> [C, B]`."""

    def log_prob(*latents):
        num_chains = latents[0].shape[0]
        repeated = {name: tf.concat([x] * num_chains, axis=0) for name, x in batch.items()}
        flat = [tf.reshape(z, [-1, z.shape[-1]]) for z in latents]
        return tf.reshape(log_prob_fn(flat, repeated), [num_chains, -1])

    return log_prob


def move(
    log_prob: Callable, latents: Latents, step_size: tf.Tensor, max_leapfrog_steps: int, seed: Seed
) -> tuple[Latents, tf.Tensor]:
    """One move of every chain and the probability with which it was accepted, [C, B]."""
    length_seed, seed = noise.split(seed, 2)
    length = tf.random.stateless_uniform([], length_seed, 1, max_leapfrog_steps + 1, tf.int32)
    kernel = tfp.mcmc.HamiltonianMonteCarlo(log_prob, step_size, length)
    latents, results = kernel.one_step(latents, kernel.bootstrap_results(latents), seed)
    return latents, tf.exp(tf.minimum(results.log_accept_ratio, 0.0))


def adapt(step_size: tf.Tensor, acceptance: tf.Tensor) -> tf.Tensor:
    """A smaller step size for images whose moves are rejected, a larger one for the others."""
    error = tf.reduce_mean(acceptance, axis=0) - TARGET_ACCEPTANCE
    return step_size * tf.exp(error)[None, :, None]


def make_posterior_move(learner: HasDensity, max_leapfrog_steps: int) -> Callable:
    """`move(batch, latents, step_size, seed) -> (latents, acceptance)` for p(z | x), compiled."""

    @tf.function(autograph=False)
    def posterior_move(batch: Batch, latents: Latents, step_size: tf.Tensor, seed: Seed):
        log_prob = over_chains(learner.log_joint, batch)
        return move(log_prob, latents, step_size, max_leapfrog_steps, seed)

    return posterior_move


def burn_in(
    posterior_move: Callable,
    batch: Batch,
    latents: Latents,
    step_size: tf.Tensor,
    num_steps: int,
    seed: Seed,
) -> tuple[Latents, tf.Tensor]:
    """Latents after `num_steps` moves of an adapting step size, and the step size to keep.

    It is the geometric mean over the second half: a chain that goes on adapting does not leave
    the posterior as it is.
    """
    log_sizes = []
    for k in range(num_steps):
        latents, acceptance = posterior_move(batch, latents, step_size, noise.fold(seed, k))
        step_size = adapt(step_size, acceptance)
        log_sizes.append(tf.math.log(step_size))
    return latents, tf.exp(tf.reduce_mean(log_sizes[num_steps // 2 :], axis=0))


def sample(
    posterior_move: Callable,
    batch: Batch,
    latents: Latents,
    step_size: tf.Tensor,
    num_steps: int,
    seed: Seed,
) -> tuple[Latents, tf.Tensor]:
    """Latents after each of N = `num_steps` moves, [N, C, B, d_l], and acceptance [N, C, B]."""
    draws, acceptances = [], []
    for k in range(num_steps):
        latents, acceptance = posterior_move(batch, latents, step_size, noise.fold(seed, k))
        draws.append(latents)
        acceptances.append(acceptance)
    return [tf.stack(layer) for layer in zip(*draws, strict=True)], tf.stack(acceptances)
