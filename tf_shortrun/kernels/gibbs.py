"""Block Gibbs sampling of two layers of binary units, with weights for annealing.

    log w += log f_beta'(z) - log f_beta(z)                     control (beta, beta')
    h ~ p_beta'(h | z),   then   z ~ p_beta'(z | h)             all units of a layer at once

The sweep leaves p_beta'(z) = f_beta'(z) / Z_beta' invariant, and is its own reversal. So with
controls (0, beta_1), (beta_1, beta_2), ..., (beta_{K-1}, 1) and z_0 ~ p_0, E[w] = Z_1 / Z_0, and
E[log w] <= log Z_1 / Z_0: forward annealed importance sampling. The reverse direction uses the same
controls backwards, from z_0 ~ p_1: E[w] = Z_0 / Z_1, and -E[log w] >= log Z_1 / Z_0. With controls
(1, 1) the weights do not change: these are the sweeps of contrastive divergence, which is
persistent if the caller keeps the state.

References:
  R. M. Neal, Annealed importance sampling, Statistics and Computing 2001.
  T. Tieleman, Training restricted Boltzmann machines using approximations to the likelihood
    gradient, ICML 2008.
  R. Salakhutdinov, I. Murray, On the quantitative analysis of deep belief networks, ICML 2008.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.shapes import Seed

# A function of units, [B, m] or [B, n], and of beta, a scalar.
OfUnits = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class GibbsState(NamedTuple):
    """The state of the chains.

    Attributes:
      visible: z, [B, m] of 0 and 1.
      log_weight: log w, [B], float64, nats.
    """

    visible: tf.Tensor
    log_weight: tf.Tensor


class GibbsInfo(NamedTuple):
    """A record of one sweep.

    Attributes:
      changed: [B], the share of visible units that the sweep changed.
    """

    changed: tf.Tensor


def init(visible: tf.Tensor) -> GibbsState:
    """Returns the state of chains at `visible`, with weight 1."""
    return GibbsState(visible, tf.zeros([tf.shape(visible)[0]], tf.float64))


def make_step(
    hidden_logits_fn: OfUnits, visible_logits_fn: OfUnits, log_prob_fn: OfUnits | None = None
) -> Callable:
    """Returns the kernel `step(state, betas, seed)`; its control is [beta, beta'], [2].

    Args:
      hidden_logits_fn: log odds of h given z, [B, n].
      visible_logits_fn: log odds of z given h, [B, m].
      log_prob_fn: log f_beta(z), [B]. The weights are only as precise as its type: use float64.
        If it is None, the weights do not change, and a sweep costs half.
    """

    def step(state: GibbsState, betas: tf.Tensor, seed: Seed):
        before, after = tf.unstack(betas)
        z = state.visible
        log_weight = state.log_weight
        if log_prob_fn is not None:
            gain = log_prob_fn(z, after) - log_prob_fn(z, before)
            log_weight += tf.cast(gain, tf.float64)
        h = draw(hidden_logits_fn(z, after), noise.stream(seed, "hidden"))
        moved = draw(visible_logits_fn(h, after), noise.stream(seed, "visible"))
        changed = tf.reduce_mean(tf.abs(moved - z), axis=-1)
        return GibbsState(moved, log_weight), GibbsInfo(changed)

    return step


def draw(logits: tf.Tensor, seed: Seed) -> tf.Tensor:
    """Draws independent units [B, n]: 1 with probability sigmoid(logits), else 0."""
    uniform = noise.uniform(seed, [tf.shape(logits)[0], logits.shape[1]])
    return tf.cast(tf.cast(uniform, logits.dtype) < tf.sigmoid(logits), logits.dtype)


def annealing(num_steps: int) -> tf.Tensor:
    """Returns controls [K, 2] from beta = 0 to 1 in even steps; `[::-1, ::-1]` reverses them."""
    betas = tf.linspace(0.0, 1.0, num_steps + 1)
    return tf.stack([betas[:-1], betas[1:]], axis=1)


def sweeps(num_steps: int) -> tf.Tensor:
    """Returns controls [K, 2] that stay at beta = 1."""
    return tf.ones([num_steps, 2])
