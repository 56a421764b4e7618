"""Annealed importance sampling from the prior to the posterior.

    p_k(z) = p(z) p(x | z)^beta_k,    0 = beta_0 < beta_1 < ... < beta_K = 1
    log w  = sum_k (beta_k - beta_{k-1}) log p(x | z_{k-1}),    z_k ~ T_k(. | z_{k-1})

z_0 is a draw from the prior and T_k is one move of Hamiltonian Monte Carlo that leaves p_k
invariant. Then E[w] = p(x), so E[log w] <= log p(x): a lower bound that becomes tight as K grows.

`tfp.mcmc.sample_annealed_importance_chain` (TFP 0.25) is not used: to accept a move, it takes
p_{k-1} instead of p_k at the start of the move, so its T_k does not leave p_k invariant.

References:
  R. M. Neal, Annealed importance sampling, Statistics and Computing 2001.
  N. Friel, A. N. Pettitt, Marginal likelihood estimation via power posteriors, Journal of
    the Royal Statistical Society B 2008 (powers of an even grid as beta).
  Y. Wu, Y. Burda, R. Salakhutdinov, R. Grosse, On the quantitative analysis of
    decoder-based generative models, ICLR 2017.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import HasDensity
from tf_shortrun.core.shapes import Batch, Latents, Seed
from tf_shortrun.kernels import hamiltonian

_POWER = 3
_NUM_PILOTS = 4


class Annealed(NamedTuple):
    """Weights of annealed chains.

    Attributes:
      log_weights: log w of each chain, [C, B], nats.
      acceptance: the acceptance probability, averaged over moves, [C, B].
    """

    log_weights: np.ndarray
    acceptance: np.ndarray


def anneal(
    move: Callable,
    learner: HasDensity,
    batch: Batch,
    num_chains: int,
    num_steps: int,
    seed: Seed,
) -> Annealed:
    """Runs `num_chains` chains for each image, with beta_k = (k / K)^3, and returns their weights.

    The step sizes come from pilot chains with other noise. If they were adapted to the weighted
    chains, E[w] = p(x) would not hold.

    Args:
      move: the function that `make_move` returns.
    """
    betas = np.linspace(0.0, 1.0, num_steps + 1) ** _POWER
    seeds = noise.split(seed, 4)
    pilots, first_step_size = hamiltonian.start(learner, batch, _NUM_PILOTS, seeds[0])
    step_sizes = tune(move, batch, pilots, betas, first_step_size, seeds[1])
    chains, _ = hamiltonian.start(learner, batch, num_chains, seeds[2])
    return weigh(move, batch, chains, betas, step_sizes, seeds[3])


def make_move(learner: HasDensity, max_leapfrog_steps: int) -> Callable:
    """Returns a compiled `move(batch, latents, betas, step_size, seed)`.

    The move returns (latents, gain, acceptance).
    betas: beta_{k-1} and beta_k.   gain: the summand of log w, [C, B].
    """

    @tf.function(autograph=False)
    def move(batch: Batch, latents: Latents, betas: tf.Tensor, step_size: tf.Tensor, seed: Seed):
        log_prior = hamiltonian.over_chains(lambda z, _: learner.log_prior(z), batch)
        log_joint = hamiltonian.over_chains(learner.log_joint, batch)
        before, after = tf.unstack(betas)
        gain = (after - before) * (log_joint(*latents) - log_prior(*latents))

        def log_prob(*z):
            return (1.0 - after) * log_prior(*z) + after * log_joint(*z)

        latents, acceptance = hamiltonian.move(
            log_prob, latents, step_size, max_leapfrog_steps, seed
        )
        return latents, gain, acceptance

    return move


def tune(
    move: Callable,
    batch: Batch,
    latents: Latents,
    betas: np.ndarray,
    step_size: tf.Tensor,
    seed: Seed,
) -> list[tf.Tensor]:
    """Returns a step size for each move, K times [1, B, 1], adapted to the acceptance."""
    step_sizes = []
    for k, pair in enumerate(_pairs(betas)):
        latents, _, acceptance = move(batch, latents, pair, step_size, noise.fold(seed, k))
        step_size = hamiltonian.adapt(step_size, acceptance)
        step_sizes.append(step_size)
    return step_sizes


def weigh(
    move: Callable,
    batch: Batch,
    latents: Latents,
    betas: np.ndarray,
    step_sizes: Sequence[tf.Tensor],
    seed: Seed,
) -> Annealed:
    """Runs chains from `latents` with the given step sizes, and returns their weights."""
    gains, acceptances = [], []
    for k, (pair, step_size) in enumerate(zip(_pairs(betas), step_sizes, strict=True)):
        latents, gain, acceptance = move(batch, latents, pair, step_size, noise.fold(seed, k))
        gains.append(gain)
        acceptances.append(acceptance)
    weights = np.asarray(np.sum(gains, axis=0, dtype=np.float64))
    return Annealed(weights, np.asarray(np.mean(acceptances, axis=0)))


def _pairs(betas: np.ndarray) -> list[tf.Tensor]:
    return tf.unstack(tf.constant(np.stack([betas[:-1], betas[1:]], axis=1), tf.float32))
