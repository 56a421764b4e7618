"""How an encoder of binary latents learns: estimators of a gradient that no sample carries.

    q(z) = prod_i Bernoulli(s(l_i)),     s the logistic function, l [B, m] the encoder's logits
    f(z) = log p(x, z) - log q(z)
    bound = E_q f(z) <= log p(x);     of `Vimco`: E log(1/K sum_k exp f(z_k)), z_k ~ q

An estimator is called `estimator(log_joint, logits, seed) -> Estimate`. Its gradient in the
logits is

    straight_through  dlog p(x, z)/dz s(l) s(-l) + dH/dl,      H the entropy of q, exactly
    Reinforce         1/K sum_k (f(z_k) - mean of the other f) (z_k - s(l))
    disarm            1/2 (f(z) - f(z')) (-1)^z' 1[z != z'] s(|l|)
                      of z = 1[u < s(l)] and z' = 1[1 - u < s(l)]
    Vimco             sum_k (L - L_k) (z_k - s(l)) + w_k df(z_k)/dl,      w = softmax f
                      of L = log(1/K sum_k exp f(z_k)); L_k has the mean of the other f for f(z_k)

All but the first are without bias. Those that compare draws do not see a constant in f, such as
log Z: where q is the posterior, f is constant, and `disarm` and `Reinforce` come to rest. The
first has the least variance; its log_joint must be differentiable in z.

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
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

from tf_shortrun import noise
from tf_shortrun.dynamics.gibbs import draw
from tf_shortrun.errors import InputError
from tf_shortrun.shapes import Seed

# log p(x, z) of z [B, m], one x for each row: [B], nats. It may lack log Z of the prior.
LogJoint = Callable[[tf.Tensor], tf.Tensor]


class Estimate(NamedTuple):
    """What an estimator makes of K draws.

    Attributes:
      bound: [B], nats. Its value estimates the bound (up to log Z) without bias; its gradient
        in the logits is the estimate, in the parameters of log_joint the ordinary one.
      samples: the draws, [K, B, m] of 0 and 1, constant.
    """

    bound: tf.Tensor
    samples: tf.Tensor


def straight_through(log_joint: LogJoint, logits: tf.Tensor, seed: Seed) -> Estimate:
    """One draw, differentiated as if it were its mean s(l)."""
    z = draw(tf.stop_gradient(logits), seed)
    return Estimate(log_joint(_carry(z, tf.sigmoid(logits))) + entropy(logits), z[None])


@dataclasses.dataclass(frozen=True)
class Reinforce:
    """The score of the draws; each is judged against the others.

    Attributes:
      num_samples: K; with 1 there is nothing to subtract.
    """

    num_samples: int

    def __post_init__(self):
        if self.num_samples < 1:
            raise InputError(f"Reinforce has num_samples {self.num_samples}: choose at least 1")

    def __call__(self, log_joint: LogJoint, logits: tf.Tensor, seed: Seed) -> Estimate:
        z = _draws(logits, self.num_samples, seed)
        f = _each(log_joint, z) - tf.stop_gradient(log_posterior(z, logits))
        advantage = f
        if self.num_samples > 1:
            others = (tf.reduce_sum(f, axis=0) - f) / (self.num_samples - 1)
            advantage = f - others
        score = tf.stop_gradient(advantage) * log_posterior(z, logits)
        return Estimate(_carry(tf.reduce_mean(f, axis=0), tf.reduce_mean(score, axis=0)), z)


def disarm(log_joint: LogJoint, logits: tf.Tensor, seed: Seed) -> Estimate:
    """Two antithetic draws."""
    probability = tf.sigmoid(tf.stop_gradient(logits))
    u = noise.uniform(seed, [tf.shape(logits)[0], logits.shape[1]])
    z = tf.cast(tf.stack([u, 1.0 - u]) < probability, logits.dtype)
    f = _each(log_joint, z) - tf.stop_gradient(log_posterior(z, logits))
    # (-1)^z' 1[z != z'] is z - z'.
    gradient = 0.5 * (f[0] - f[1])[:, None] * (z[0] - z[1]) * tf.sigmoid(tf.abs(logits))
    surrogate = tf.reduce_sum(tf.stop_gradient(gradient) * logits, axis=-1)
    return Estimate(_carry(tf.reduce_mean(f, axis=0), surrogate), z)


@dataclasses.dataclass(frozen=True)
class Vimco:
    """Of the tighter bound by K draws, each judged by what it adds to the others.

    Attributes:
      num_samples: K, at least 2.
    """

    num_samples: int

    def __post_init__(self):
        if self.num_samples < 2:
            raise InputError(f"Vimco has num_samples {self.num_samples}: choose at least 2")

    def __call__(self, log_joint: LogJoint, logits: tf.Tensor, seed: Seed) -> Estimate:
        z = _draws(logits, self.num_samples, seed)
        log_q = log_posterior(z, logits)
        without, bound = tfp.stats.log_soomean_exp(_each(log_joint, z) - log_q, axis=0)
        score = tf.reduce_sum(tf.stop_gradient(bound - without) * log_q, axis=0)
        return Estimate(_carry(bound, score), z)


def log_posterior(z: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """log q(z): [..., B], nats."""
    logits = tf.broadcast_to(logits, tf.shape(z))
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=logits)
    return -tf.reduce_sum(losses, axis=-1)


def entropy(logits: tf.Tensor) -> tf.Tensor:
    """H(q) = sum_i softplus(l_i) - l_i s(l_i): [B], nats."""
    return tf.reduce_sum(tf.nn.softplus(logits) - logits * tf.sigmoid(logits), axis=-1)


def _draws(logits: tf.Tensor, num: int, seed: Seed) -> tf.Tensor:
    return tf.stack([draw(tf.stop_gradient(logits), noise.fold(seed, k)) for k in range(num)])


def _each(log_joint: LogJoint, samples: tf.Tensor) -> tf.Tensor:
    return tf.stack([log_joint(z) for z in tf.unstack(samples)])


def _carry(value: tf.Tensor, carrier: tf.Tensor) -> tf.Tensor:
    """`value`, with the gradient of `carrier` besides its own."""
    return value + (carrier - tf.stop_gradient(carrier))
