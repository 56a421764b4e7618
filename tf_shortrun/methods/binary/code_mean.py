"""The running mean of each bit of the codes during training."""

import tensorflow as tf

from tf_shortrun.core.means import moved, over_replicas, shared_variable

_RARE = 1e-3  # shares are clipped to [_RARE, 1 - _RARE], so that log odds are finite
_MOMENTUM = 0.99  # of one update


class CodeMean:
    """A running mean over the codes of all replicas; its initial value is 1/2.

    Attributes:
      value: the variable that holds the mean, [m].
    """

    def __init__(self, num_bits: int):
        self.value = shared_variable(tf.fill([num_bits], 0.5))

    @property
    def log_odds(self) -> tf.Tensor:
        """The log odds of the mean, [m]: biases of the best distribution of independent bits."""
        share = tf.clip_by_value(self.value, _RARE, 1.0 - _RARE)
        return tf.math.log(share) - tf.math.log1p(-share)

    def follow(self, samples: tf.Tensor):
        """Updates the running mean by the mean of codes [K, B, m], in replica context."""
        mean = over_replicas(tf.reduce_mean(samples, axis=[0, 1]))
        self.value.assign(moved(self.value, mean, _MOMENTUM))
