"""Running mean and variance of each component of a state, the same on every replica."""

import tensorflow as tf
import tensorflow_probability as tfp

from tf_shortrun.core.means import moved, over_replicas, shared_variable
from tf_shortrun.methods.walkback.transition import TransitionOperator


class RunningMoments:
    """Exponential averages over batches of the first and second moment.

        m <- w m + (1 - w) mean_b s_b,   w = min(momentum, 1 - 1 / n) at the n-th batch

    so that the first batches have equal weight, and the initial values (mean 0, variance 1) have
    none.

    Args:
      shape: shape of one state.
    """

    def __init__(self, shape: tuple[int, ...], momentum: float = 0.99):
        self._momentum = momentum
        start = (tf.zeros([]), tf.zeros(shape), tf.ones(shape))
        self._count, self._mean, self._square = map(shared_variable, start)

    @property
    def state(self) -> dict:
        return {"count": self._count, "mean": self._mean, "square": self._square}

    @property
    def mean(self) -> tf.Tensor:
        return tf.convert_to_tensor(self._mean)

    @property
    def variance(self) -> tf.Tensor:
        return tf.maximum(self._square - self._mean**2, 1e-6)

    def distribution(self, operator: TransitionOperator, num) -> tfp.distributions.Distribution:
        """Returns p* of the operator with these moments: independent, batch shape [num]."""
        shape = [num, *operator.state_shape]
        return operator.at_rest(*(tf.broadcast_to(m, shape) for m in (self.mean, self.variance)))

    def update(self, states: tf.Tensor):
        """Updates the moments by a replica's share of a batch, [B, *shape]; in replica context."""
        self._count.assign_add(1.0)
        momentum = tf.minimum(self._momentum, 1.0 - 1.0 / self._count)
        for moment, value in ((self._mean, states), (self._square, states**2)):
            moment.assign(moved(moment, over_replicas(tf.reduce_mean(value, axis=0)), momentum))
