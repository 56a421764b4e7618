"""The distribution of a binary number with the values -1 and 1, as binary observations have."""

import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd


class Signs(tfd.Distribution):
    """Independent numbers -1 or 1: P(x = 1) = sigmoid(logits), P(x = -1) = sigmoid(-logits).

        log P(x) = -softplus(-x logits)

    (`tfd.Bernoulli` has the values 0 and 1. A bijector to -1 and 1 would add a Jacobian, which a
    discrete distribution does not have.)
    """

    def __init__(self, logits: tf.Tensor, name: str = "Signs"):
        parameters = dict(locals())
        self.logits = tf.convert_to_tensor(logits)
        super().__init__(
            dtype=self.logits.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        return {"logits": tfp.util.ParameterProperties()}

    def _event_shape(self):
        return tf.TensorShape([])

    def _log_prob(self, x):
        return -tf.nn.softplus(-x * self.logits)

    def _mean(self):
        return tf.tanh(0.5 * self.logits)
