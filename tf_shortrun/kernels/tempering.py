"""Parallel tempering of binary units: chains at several temperatures, which exchange their states.

    z_r <- a Gibbs sweep at beta_r,   r = 0 .. R-1,   beta_0 = 0, ..., beta_{R-1} = 1
    then for every second pair, swap z_r and z_{r+1} with probability
    min(1, f_r(z_{r+1}) f_{r+1}(z_r) / (f_r(z_r) f_{r+1}(z_{r+1})))

Both leave prod_r p_r(z_r) invariant, so the last chain samples p, and the warm ones carry it from
mode to mode. The ratios of neighbours also give the normalising constant, by stepping stones:

    log Z_1 / Z_0 ~ sum_r log mean f_{r+1}(z_r) / f_r(z_r)

References:
  R. H. Swendsen, J.-S. Wang, Replica Monte Carlo simulation of spin glasses, Physical Review
    Letters 1986.
  G. Desjardins et al., Tempered Markov chain Monte Carlo for training of restricted Boltzmann
    machines, AISTATS 2010.
  W. Xie et al., Improving marginal likelihood estimation for Bayesian phylogenetic model selection,
    Systematic Biology 2011 (stepping stones).
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.shapes import Seed
from tf_shortrun.kernels.gibbs import OfUnits, draw


class TemperingInfo(NamedTuple):
    """A record of one step.

    Attributes:
      log_ratios: log f_{r+1}(z_r) / f_r(z_r) after the sweep, [C, R - 1], nats.
      swapped: [C, R - 1], 1 where a pair was swapped, else 0.
    """

    log_ratios: tf.Tensor
    swapped: tf.Tensor


def make_step(hidden_logits_fn: OfUnits, visible_logits_fn: OfUnits, log_prob_fn: OfUnits,
              betas: tf.Tensor) -> Callable:  # fmt: skip
    """Returns the kernel `step(z, parity, seed)` for z [C, R, m]; parity 0 or 1 says which pairs.

    Args:
      hidden_logits_fn, visible_logits_fn, log_prob_fn: as of `gibbs.make_step`, where beta has the
        shape [B, 1].
      betas: [R], ascending from 0 to 1.
    """
    num = betas.shape[0]

    def at(function, z, betas):
        """Calls a function of units [B, m] and beta [B, 1] for z [C, r, m] and betas [r]."""
        flat = tf.reshape(z, [-1, z.shape[-1]])
        values = function(flat, tf.tile(betas, tf.shape(z)[:1])[:, None])
        return tf.reshape(values, tf.concat([tf.shape(z)[:2], tf.shape(values)[1:]], axis=0))

    def sweep(z, seed):
        def once(flat, beta):
            h = draw(hidden_logits_fn(flat, beta), noise.stream(seed, "hidden"))
            return draw(visible_logits_fn(h, beta), noise.stream(seed, "visible"))

        return at(once, z, betas)

    def step(z, parity, seed: Seed):
        z = sweep(z, noise.stream(seed, "sweep"))
        cold, warm = z[:, 1:], z[:, :-1]
        up = at(log_prob_fn, warm, betas[1:]) - at(log_prob_fn, warm, betas[:-1])
        down = at(log_prob_fn, cold, betas[:-1]) - at(log_prob_fn, cold, betas[1:])
        uniform = noise.uniform(noise.stream(seed, "swap"), [tf.shape(up)[0], num - 1])
        tried = tf.equal(tf.range(num - 1) % 2, parity)
        swaps = tried & (tf.math.log(tf.cast(uniform, up.dtype)) < up + down)
        wide = swaps[..., None]
        none = tf.zeros_like(wide[:, :1])
        from_above, from_below = tf.concat([wide, none], 1), tf.concat([none, wide], 1)
        moved = tf.where(from_above, tf.roll(z, -1, 1), tf.where(from_below, tf.roll(z, 1, 1), z))
        return moved, TemperingInfo(up, tf.cast(swaps, tf.float32))

    return step


def controls(num_steps: int) -> tf.Tensor:
    """Returns controls [K]: even and odd pairs in turn."""
    return tf.range(num_steps) % 2


def log_partition_ratio(log_ratios: tf.Tensor) -> tf.Tensor:
    """Returns log Z_1 / Z_0 by stepping stones from log ratios [K, C, R - 1], nats."""
    num = tf.cast(tf.shape(log_ratios)[0] * tf.shape(log_ratios)[1], log_ratios.dtype)
    means = tf.reduce_logsumexp(log_ratios, axis=[0, 1]) - tf.math.log(num)
    return tf.reduce_sum(means)
