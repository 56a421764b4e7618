"""The diversity of a generator: lower bounds of the mutual information I(x; z), up to a constant.

`Learned` is the published method. A network T distinguishes pairs (G(z), z) from independent
pairs (G(z), z_m), with z_m drawn anew:

    jsd      mean -sp(-T(x, z)) - sp(T(x, z_m))                  sp = softplus
    infonce  mean T(x, z) - log 1/(M+1) (exp T(x, z) + sum_m exp T(x, z_m))
    mine     mean T(x, z) - log mean exp T(x, z_m)

For x = G(z) the information is infinite, and the estimate by T has no unit: `jsd` lies between
-2 log 2 and 0. `Channel` adds a little noise to the generator, x = G(z) + sigma e. Then the
optimal T is known, log N(x; G(z), sigma^2 I), and nothing is learned. `infonce` is in nats: it is
the entropy of x minus that of the noise, as long as this is well below log(M + 1).

References:
  R. D. Hjelm et al., Learning deep representations by mutual information estimation and
    maximization, ICLR 2019 (jsd).
  A. van den Oord, Y. Li, O. Vinyals, Representation learning with contrastive predictive
    coding, 2018 (infonce).
  M. I. Belghazi et al., Mutual information neural estimation, ICML 2018 (mine).
"""

from collections.abc import Callable
from typing import Protocol

import keras
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.means import over_replicas
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.shapes import Seed
from tf_shortrun.methods.energy.energy import Generator, Statistic


class Information(Protocol):
    """A lower bound of the mutual information I(x; z) of a generator."""

    @property
    def state(self) -> dict: ...

    def build(self, generator: Generator) -> None:
        """Creates the variables. Called once, under the scope of the strategy."""

    def observe(self, generator: Generator, z: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Returns the observation x of each z [B, n], with noise if the bound needs it."""

    def estimate(self, generator: Generator, z: tf.Tensor, x: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Returns the bound for x, the observation of z; differentiable in the generator."""

    def learn(self, generator: Generator, z: tf.Tensor, x: tf.Tensor, seed: Seed) -> None:
        """Makes one update that tightens the bound, for constant x."""


def jsd(joint: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
    """Returns the bound from T at pairs (G(z), z) [B] and at independent pairs [M, B]."""
    return -tf.reduce_mean(tf.nn.softplus(-joint)) - tf.reduce_mean(tf.nn.softplus(product))


def infonce(joint: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
    """Returns the bound, with arguments as in `jsd`; at most log(M + 1) nats."""
    log_num = tf.math.log(tf.cast(tf.shape(product)[0] + 1, tf.float32))
    every = tf.concat([joint[None], product], axis=0)
    return tf.reduce_mean(joint - tf.reduce_logsumexp(every, axis=0)) + log_num


def mine(joint: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
    """Returns the bound, arguments as in `jsd`; the mean of exp T is over all replicas."""
    replica = tf.distribute.get_replica_context()
    # The largest T is subtracted against overflow. It cancels, so it needs no gradient.
    top = tf.stop_gradient(tf.reduce_max(replica.all_gather(product, axis=1)))
    mean = over_replicas(tf.reduce_mean(tf.exp(product - top)))
    return tf.reduce_mean(joint) - tf.math.log(mean) - top


class Learned:
    """A bound by a statistic network, which has its own optimizer.

    Args:
      bound: `jsd`, `infonce` or `mine`.
      num_negatives: M, the number of independent pairs for each pair (G(z), z). Each example has
        its own draws z_m; the released code permutes the batch instead.
    """

    def __init__(
        self,
        statistic: Statistic,
        optimizer: keras.optimizers.Optimizer,
        bound: Callable,
        num_negatives: int = 1,
    ):
        if num_negatives < 1:
            raise InputError(f"num_negatives is {num_negatives}: choose at least one")
        check_most(num_negatives=num_negatives)
        self._statistic, self._optimizer = statistic, optimizer
        self._bound, self._num_negatives = bound, num_negatives

    @property
    def state(self) -> dict:
        return {"statistic": self._statistic, "statistic_optimizer": self._optimizer}

    def build(self, generator: Generator):
        del generator
        self._optimizer.build(self._statistic.trainable_variables)

    def observe(self, generator: Generator, z: tf.Tensor, seed: Seed) -> tf.Tensor:
        del seed
        return generator(z)

    def estimate(self, generator: Generator, z: tf.Tensor, x: tf.Tensor, seed: Seed) -> tf.Tensor:
        others = [
            generator.sample_latents(tf.shape(z)[0], noise.fold(seed, m))
            for m in range(self._num_negatives)
        ]
        product = tf.stack([self._statistic([x, other]) for other in others])
        return self._bound(self._statistic([x, z]), product)

    def learn(self, generator: Generator, z: tf.Tensor, x: tf.Tensor, seed: Seed):
        with tf.GradientTape() as tape:
            loss = -self.estimate(generator, z, tf.stop_gradient(x), seed)
        descend(self._optimizer, self._statistic.trainable_variables, loss, tape)


class Channel:
    """The bound `infonce` of x = G(z) + sigma e, whose optimal statistic is known.

    Args:
      sigma: standard deviation of the noise.
      num_negatives: M; all examples use the same draws.
    """

    def __init__(self, sigma: float, num_negatives: int):
        if not (sigma > 0 and num_negatives >= 1):
            raise InputError(
                f"Channel has sigma {sigma}, num_negatives {num_negatives}: choose positive values"
            )
        self._sigma, self._num_negatives = sigma, num_negatives

    @property
    def state(self) -> dict:
        return {}

    def build(self, generator: Generator):
        del generator

    def observe(self, generator: Generator, z: tf.Tensor, seed: Seed) -> tf.Tensor:
        x = generator(z)
        return x + self._sigma * noise.normal(seed, [tf.shape(x)[0], *x.shape[1:]])

    def estimate(self, generator: Generator, z: tf.Tensor, x: tf.Tensor, seed: Seed) -> tf.Tensor:
        others = generator(noise.shared_normal(seed, [self._num_negatives, z.shape[1]]))
        x, own, others = (tf.reshape(y, [tf.shape(y)[0], -1]) for y in (x, generator(z), others))
        return infonce(self._log_prob(x - own), self._log_prob(x[None] - others[:, None]))

    def learn(self, generator: Generator, z: tf.Tensor, x: tf.Tensor, seed: Seed):
        del generator, z, x, seed

    def _log_prob(self, difference: tf.Tensor) -> tf.Tensor:
        """Returns log N(difference; 0, sigma^2 I) over the last axis, up to a constant.

        The constant cancels in `infonce`.
        """
        return -tf.reduce_sum(difference**2, axis=-1) / (2.0 * self._sigma**2)
