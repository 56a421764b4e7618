"""How often each bit of a code is set, as learning goes on."""

import tensorflow as tf

_RARE = 1e-3  # no log odds beyond those of this share
_MEMORY = 0.99  # from update to update


class CodeMean:
    """A running mean over the codes of all replicas, 1/2 at first.

    Attributes:
      value: the variable, [m].
    """

    def __init__(self, num_bits: int):
        self.value = tf.Variable(
            tf.fill([num_bits], 0.5),
            trainable=False,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    @property
    def log_odds(self) -> tf.Tensor:
        """[m]: the biases of the best law of independent bits."""
        share = tf.clip_by_value(self.value, _RARE, 1.0 - _RARE)
        return tf.math.log(share) - tf.math.log1p(-share)

    def follow(self, samples: tf.Tensor):
        """Moves towards the mean of codes [K, B, m], in replica context."""
        replica = tf.distribute.get_replica_context()
        mean = tf.reduce_mean(samples, axis=[0, 1])
        mean = replica.all_reduce(tf.distribute.ReduceOp.MEAN, mean)
        self.value.assign(_MEMORY * self.value + (1.0 - _MEMORY) * mean)
