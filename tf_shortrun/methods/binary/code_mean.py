"""How often each bit of a code is set, as learning goes on."""

import tensorflow as tf

from tf_shortrun.core.means import moved, over_replicas, shared_variable

_RARE = 1e-3  # no log odds beyond those of this share
_MOMENTUM = 0.99  # from update to update


class CodeMean:
    """A running mean over the codes of all replicas, 1/2 at first.

    Attributes:
      value: the variable, [m].
    """

    def __init__(self, num_bits: int):
        self.value = shared_variable(tf.fill([num_bits], 0.5))

    @property
    def log_odds(self) -> tf.Tensor:
        """[m]: the biases of the best distribution of independent bits."""
        share = tf.clip_by_value(self.value, _RARE, 1.0 - _RARE)
        return tf.math.log(share) - tf.math.log1p(-share)

    def follow(self, samples: tf.Tensor):
        """Moves towards the mean of codes [K, B, m], in replica context."""
        mean = over_replicas(tf.reduce_mean(samples, axis=[0, 1]))
        self.value.assign(moved(self.value, mean, _MOMENTUM))
