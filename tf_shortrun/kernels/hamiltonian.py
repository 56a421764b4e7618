"""Hamiltonian Monte Carlo with C chains for each of B images: latents are [C, B, d_l].

Every image has its own step size, [1, B, 1], because some posteriors are much narrower than
others. The number of leapfrog steps is drawn for every move. With a fixed number, a direction
whose half period equals the length of a move would alternate between z and -z without end.

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

# The optimum is 0.65 in many dimensions (Neal 2011); values above it cost less than values below.
TARGET_ACCEPTANCE = 0.8
_FIRST_STEP_SIZE = 0.5  # suits the prior, N(0, I)


def start(
    learner: HasDensity, batch: Batch, num_chains: int, seed: Seed
) -> tuple[Latents, tf.Tensor]:
    """Draws latents from the prior, [C, B, d_l] each; also returns first step sizes, [1, B, 1]."""
    num_images = batch["image"].shape[0]
    latents = learner.sample_latents(num_chains * num_images, seed)
    latents = [tf.reshape(z, [num_chains, num_images, z.shape[-1]]) for z in latents]
    return latents, tf.fill([1, num_images, 1], _FIRST_STEP_SIZE)


def over_chains(log_prob_fn: Callable, batch: Batch) -> Callable:
    """Converts `log_prob_fn(latents, batch) -> [B]` to `log_prob(*latents) -> [C, B]`."""

    def log_prob(*latents):
        num_chains = latents[0].shape[0]
        repeated = {name: tf.concat([x] * num_chains, axis=0) for name, x in batch.items()}
        flat = [tf.reshape(z, [-1, z.shape[-1]]) for z in latents]
        return tf.reshape(log_prob_fn(flat, repeated), [num_chains, -1])

    return log_prob


def move(
    log_prob: Callable, latents: Latents, step_size: tf.Tensor, max_leapfrog_steps: int, seed: Seed
) -> tuple[Latents, tf.Tensor]:
    """Moves every chain once; also returns the acceptance probabilities, [C, B]."""
    length_seed, seed = noise.split(seed, 2)
    length = tf.random.stateless_uniform([], length_seed, 1, max_leapfrog_steps + 1, tf.int32)
    kernel = tfp.mcmc.HamiltonianMonteCarlo(log_prob, step_size, length)
    latents, results = kernel.one_step(latents, kernel.bootstrap_results(latents), seed)
    return latents, tf.exp(tf.minimum(results.log_accept_ratio, 0.0))


def adapt(step_size: tf.Tensor, acceptance: tf.Tensor) -> tf.Tensor:
    """Returns smaller step sizes where acceptance is below its target, larger ones elsewhere."""
    error = tf.reduce_mean(acceptance, axis=0) - TARGET_ACCEPTANCE
    return step_size * tf.exp(error)[None, :, None]


def make_posterior_move(learner: HasDensity, max_leapfrog_steps: int) -> Callable:
    """Returns a compiled move for p(z | x).

    It is `move(batch, latents, step_size, seed) -> (latents, acceptance)`.
    """

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
    """Moves `num_steps` times while it adapts the step size; returns latents and a final step size.

    The final step size is the geometric mean over the second half of the moves. Use it without
    further adaptation: a chain that adapts does not leave the posterior invariant.
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
    """Returns latents after each of N = `num_steps` moves, and acceptance probabilities.

    Shapes: [N, C, B, d_l] for each layer, and [N, C, B].
    """
    draws, acceptances = [], []
    for k in range(num_steps):
        latents, acceptance = posterior_move(batch, latents, step_size, noise.fold(seed, k))
        draws.append(latents)
        acceptances.append(acceptance)
    return [tf.stack(layer) for layer in zip(*draws, strict=True)], tf.stack(acceptances)
