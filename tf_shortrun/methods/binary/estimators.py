"""Gradient estimators for binary latents, through which no gradient can flow.

    q(z) = prod_g q(z_g | z_1 .. z_{g-1}),     each factor independent bits with logits l_g
    f(z) = log p(x, z) - log q(z)
    bound = E_q f(z) <= log p(x);     of `Vimco`: E log(1/K sum_k exp f(z_k)), z_k ~ q

An estimator is called `estimator(log_joint, conditionals, seed) -> Estimate`. With one group of
bits, s the logistic function, its gradient in the logits is

    straight_through  dlog p(x, z)/dz s(l) s(-l) + dH/dl,      H the entropy of q, exactly
    Reinforce         1/K sum_k (f(z_k) - mean of the other f) (z_k - s(l))
    disarm            1/2 (f(z) - f(z')) (-1)^z' 1[z != z'] s(|l|)
                      of z = 1[u < s(l)] and z' = 1[1 - u < s(l)]
    Vimco             sum_k (L - L_k) (z_k - s(l)) + w_k df(z_k)/dl,      w = softmax f
                      of L = log(1/K sum_k exp f(z_k)); L_k has mean of other f for f(z_k)

With several groups, `disarm` has one z' for each group. The previous groups are those of z; later
groups are drawn given z' with the same uniform numbers as for z.

All but `straight_through` are unbiased. Estimators that compare draws are invariant to a constant
in f, such as log Z: if q is the posterior, f is constant, and the estimates of `disarm` and
`Reinforce` are 0. `straight_through` has the least variance; it needs a log_joint that is
differentiable in z.

References:
  Y. Bengio, N. Leonard, A. Courville, Estimating or propagating gradients through stochastic
    neurons for conditional computation, 2013.
  R. J. Williams, Simple statistical gradient-following algorithms for connectionist
    reinforcement learning, Machine Learning 1992.
  W. Kool, H. van Hoof, M. Welling, Buy 4 REINFORCE samples, get a baseline for free, 2019.
  Z. Dong, A. Mnih, G. Tucker, DisARM: an antithetic gradient estimator for binary latent
    variables, NeurIPS 2020.
  A. Mnih, D. J. Rezende, Variational inference for Monte Carlo objectives, ICML 2016.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed
from tf_shortrun.kernels.gibbs import draw

# From z [B, m], one x for each row, to log p(x, z): [B], nats. It may lack log Z of the prior.
LogJoint = Callable[[tf.Tensor], tf.Tensor]
# For each group of bits: from the previous groups, [B, m_i] each, to its logits [B, m_g].
Conditionals = Sequence[Callable[[Sequence[tf.Tensor]], tf.Tensor]]


class Estimate(NamedTuple):
    """The result of an estimator from K draws.

    Attributes:
      bound: [B], nats. Its value is an unbiased estimate of the bound (up to log Z). Its gradient
        in the logits is the estimate, in the parameters of log_joint the usual gradient.
      samples: the draws, [K, B, m] of 0 and 1, constant.
    """

    bound: tf.Tensor
    samples: tf.Tensor


def straight_through(log_joint: LogJoint, conditionals: Conditionals, seed: Seed) -> Estimate:
    """Estimates by one draw, with the derivative of its mean s(l) in place of its own."""
    groups, uncertainty = [], 0.0
    for g, conditional in enumerate(conditionals):
        logits = conditional(groups)
        bits = draw(tf.stop_gradient(logits), noise.fold(seed, g))
        groups.append(_carry(bits, tf.sigmoid(logits)))
        uncertainty += entropy(logits)
    z = tf.concat(groups, axis=-1)
    return Estimate(log_joint(z) + uncertainty, tf.stop_gradient(z)[None])


@dataclasses.dataclass(frozen=True)
class Reinforce:
    """The score-function estimator by K draws; the baseline of each is the mean of the others.

    Attributes:
      num_samples: K; with 1 there is no baseline.
    """

    num_samples: int

    def __post_init__(self):
        if self.num_samples < 1:
            raise InputError(f"Reinforce has num_samples {self.num_samples}: choose at least 1")

    def __call__(self, log_joint: LogJoint, conditionals: Conditionals, seed: Seed) -> Estimate:
        z, log_q = _draws(conditionals, self.num_samples, seed)
        f = _each(log_joint, z) - tf.stop_gradient(log_q)
        advantage = f
        if self.num_samples > 1:
            others = (tf.reduce_sum(f, axis=0) - f) / (self.num_samples - 1)
            advantage = f - others
        score = tf.reduce_mean(tf.stop_gradient(advantage) * log_q, axis=0)
        return Estimate(_carry(tf.reduce_mean(f, axis=0), score), z)


def disarm(log_joint: LogJoint, conditionals: Conditionals, seed: Seed) -> Estimate:
    """Estimates by a draw and one antithetic draw per group; the bound is their mean."""
    groups, draws, parts = [], [], []
    for g, conditional in enumerate(conditionals):
        logits = conditional(groups)
        u = noise.uniform(_of_group(seed, g), [tf.shape(logits)[0], logits.shape[1]])
        bits = tf.cast(tf.stack([u, 1.0 - u]) < tf.sigmoid(logits), logits.dtype)
        # Later groups have their own seeds, the same for both draws.
        draws.append(complete(conditionals, seed, [*groups, bits[1]]))
        # (-1)^z' 1[z != z'] is z - z'.
        parts.append((logits, (bits[0] - bits[1]) * tf.sigmoid(tf.abs(logits))))
        groups.append(bits[0])
    draws.insert(0, complete(conditionals, seed, groups))
    z, log_q = (tf.stack(part) for part in zip(*draws, strict=True))
    f = _each(log_joint, z) - tf.stop_gradient(log_q)
    surrogate = 0.0
    for (logits, direction), other in zip(parts, tf.unstack(f)[1:], strict=True):
        gradient = tf.stop_gradient(0.5 * (f[0] - other)[:, None] * direction)
        surrogate += tf.reduce_sum(gradient * logits, axis=-1)
    return Estimate(_carry(tf.reduce_mean(f, axis=0), surrogate), z)


@dataclasses.dataclass(frozen=True)
class Vimco:
    """The estimator of the tighter bound by K draws; each is compared with the bound without it.

    Attributes:
      num_samples: K, at least 2.
    """

    num_samples: int

    def __post_init__(self):
        if self.num_samples < 2:
            raise InputError(f"Vimco has num_samples {self.num_samples}: choose at least 2")

    def __call__(self, log_joint: LogJoint, conditionals: Conditionals, seed: Seed) -> Estimate:
        z, log_q = _draws(conditionals, self.num_samples, seed)
        without, bound = tfp.stats.log_soomean_exp(_each(log_joint, z) - log_q, axis=0)
        score = tf.reduce_sum(tf.stop_gradient(bound - without) * log_q, axis=0)
        return Estimate(_carry(bound, score), z)


def complete(
    conditionals: Conditionals, seed: Seed, given: Sequence[tf.Tensor] = ()
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws the groups that are not given; returns z [B, m] and log q(z) [B], nats, of all groups.

    No gradient flows through the bits. log q is differentiable in the logits.
    """
    groups, log_q = [], 0.0
    for g, conditional in enumerate(conditionals):
        logits = conditional(groups)
        own = _of_group(seed, g)
        bits = given[g] if g < len(given) else draw(tf.stop_gradient(logits), own)
        log_q += log_posterior(bits, logits)
        groups.append(bits)
    return tf.concat(groups, axis=-1), log_q


def _of_group(seed: Seed, g: int) -> Seed:
    return noise.fold(seed, g)


def log_posterior(z: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Returns log q(z): [..., B], nats."""
    logits = tf.broadcast_to(logits, tf.shape(z))
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=logits)
    return -tf.reduce_sum(losses, axis=-1)


def entropy(logits: tf.Tensor) -> tf.Tensor:
    """Returns H(q) = sum_i softplus(l_i) - l_i s(l_i): [B], nats."""
    return tf.reduce_sum(tf.nn.softplus(logits) - logits * tf.sigmoid(logits), axis=-1)


def _draws(conditionals: Conditionals, num: int, seed: Seed) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns K draws [K, B, m] and log q of each, [K, B], nats."""
    draws = [complete(conditionals, noise.fold(seed, k)) for k in range(num)]
    z, log_q = zip(*draws, strict=True)
    return tf.stack(z), tf.stack(log_q)


def _each(log_joint: LogJoint, samples: tf.Tensor) -> tf.Tensor:
    return tf.stack([log_joint(z) for z in tf.unstack(samples)])


def _carry(value: tf.Tensor, carrier: tf.Tensor) -> tf.Tensor:
    """Returns `value`, with the gradient of `carrier` added to its own."""
    return value + (carrier - tf.stop_gradient(carrier))
