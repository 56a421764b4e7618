"""How varied a generator is: lower bounds of the mutual information I(x; z), up to a constant.

`Learned` is the published way. A network T tells pairs (G(z), z) from pairs that do not belong
together, z_m drawn anew:

    jsd      mean -sp(-T(x, z)) - sp(T(x, z_m))                  sp = softplus
    infonce  mean T(x, z) - log 1/(M+1) (exp T(x, z) + sum_m exp T(x, z_m))
    mine     mean T(x, z) - log mean exp T(x, z_m)

For x = G(z) the information is infinite, and what T makes of it has no unit: `jsd` lies between
-2 log 2 and 0. `Channel` gives the generator a little noise, x = G(z) + sigma e. Then the best T
is known, log N(x; G(z), sigma^2 I), nothing has to be learned, and `infonce` is in nats: the
entropy of x minus that of the noise, as long as it is well below log(M + 1).

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
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.means import over_replicas
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.shapes import Seed
from tf_shortrun.methods.energy.energy import Generator, Statistic


class Information(Protocol):
    """The contract."""

    @property
    def state(self) -> dict: ...

    def build(self, generator: Generator) -> None:
        """Makes what learning needs; called once, under the strategy's scope."""

    def observe(self, generator: Generator, z: tf.Tensor, seed: Seed) -> tf.Tensor:
        """x for each z [B, n]: what the generator makes of it."""

    def estimate(self, generator: Generator, z: tf.Tensor, x: tf.Tensor, seed: Seed) -> tf.Tensor:
        """The bound, for x observed from z; differentiable in the generator."""

    def learn(self, generator: Generator, z: tf.Tensor, x: tf.Tensor, seed: Seed) -> None:
        """Tightens the bound, for constant x."""


def jsd(joint: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
    """Of T at pairs [B] and at pairs that do not belong together [M, B]."""
    return -tf.reduce_mean(tf.nn.softplus(-joint)) - tf.reduce_mean(tf.nn.softplus(product))


def infonce(joint: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
    """As `jsd`; at most log(M + 1) nats."""
    log_num = tf.math.log(tf.cast(tf.shape(product)[0] + 1, tf.float32))
    every = tf.concat([joint[None], product], axis=0)
    return tf.reduce_mean(joint - tf.reduce_logsumexp(every, axis=0)) + log_num


def mine(joint: tf.Tensor, product: tf.Tensor) -> tf.Tensor:
    """As `jsd`; the mean of exp T is over all replicas."""
    replica = tf.distribute.get_replica_context()
    # The largest T is taken out of the exponent; as a constant, it cancels.
    top = tf.stop_gradient(tf.reduce_max(replica.all_gather(product, axis=1)))
    mean = over_replicas(tf.reduce_mean(tf.exp(product - top)))
    return tf.reduce_mean(joint) - tf.math.log(mean) - top


class Learned:
    """A bound by a statistic network with an optimizer of its own.

    Args:
      bound: `jsd`, `infonce` or `mine`.
      num_negatives: M, pairs that do not belong together for each that does. They are draws of
        their own for every example, where the released code permutes the batch.
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
    """`infonce` of x = G(z) + sigma e, whose best statistic is known.

    Args:
      sigma: standard deviation of the noise.
      num_negatives: M; the same draws serve every example.
    """

    def __init__(self, sigma: float, num_negatives: int):
        if not (sigma > 0 and num_negatives >= 1):
            raise InputError(
                f"Channel has sigma {sigma}, num_negatives {num_negatives}: choose positive ones"
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
        """Up to a constant, which `infonce` does not see; over the last axis."""
        return -tf.reduce_sum(difference**2, axis=-1) / (2.0 * self._sigma**2)
