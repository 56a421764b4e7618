"""The restricted Boltzmann machine: a distribution of binary latents with hidden units.

    p(z, h) = exp(b.z + c.h + z W h) / Z,     z in {0, 1}^m,  h in {0, 1}^n
    -F(z)   = log sum_h exp(b.z + c.h + z W h) = b.z + sum_j softplus((z W + c)_j)
    log p(z) = -F(z) - log Z

`GeometricPath` leads to this machine from one without couplings, whose Z_A is known:

    log f_beta(z) = ((1 - beta) b_A + beta b).z + sum_j softplus(beta (z W + c)_j)
    log Z_A = sum_i softplus(b_A,i) + n log 2

References:
  G. E. Hinton, A practical guide to training restricted Boltzmann machines, 2010.
  R. Salakhutdinov, I. Murray, On the quantitative analysis of deep belief networks, ICML 2008.
"""

import dataclasses

import keras
import tensorflow as tf

from tf_shortrun.core.errors import InputError

_COUPLING_STDDEV = 0.01


class RestrictedBoltzmann(keras.Model):
    """The machine with initial W [m, n] from N(0, 0.01^2), and b [m] and c [n] zero.

    Args:
      num_visible: m, the number of latents z.
      num_hidden: n, the number of hidden units h.
      coupled: False keeps W at 0, which makes the bits independent, for comparison.

    Raises:
      InputError: if a number of units is not positive.
    """

    def __init__(self, num_visible: int, num_hidden: int, coupled: bool = True):
        super().__init__()
        if min(num_visible, num_hidden) < 1:
            raise InputError(
                f"num_visible is {num_visible}, num_hidden {num_hidden}: choose positive numbers"
            )
        self.num_visible, self.num_hidden = num_visible, num_hidden
        stddev = _COUPLING_STDDEV if coupled else 0.0
        self.couplings = self.add_weight(
            name="couplings",
            shape=(num_visible, num_hidden),
            initializer=keras.initializers.RandomNormal(stddev=stddev),
            trainable=coupled,
        )
        self.visible_bias = self.add_weight(
            name="visible_bias", shape=(num_visible,), initializer="zeros"
        )
        self.hidden_bias = self.add_weight(
            name="hidden_bias", shape=(num_hidden,), initializer="zeros"
        )
        self(tf.zeros([1, num_visible], self.compute_dtype))

    def call(self, z: tf.Tensor) -> tf.Tensor:
        return self.log_unnormalised(z)

    def log_unnormalised(self, z: tf.Tensor) -> tf.Tensor:
        """Returns -F(z) = log p(z) + log Z: [B], nats; differentiable in z [B, m]."""
        hidden = tf.reduce_sum(tf.nn.softplus(self.hidden_logits(z)), axis=-1)
        return tf.linalg.matvec(z, self.visible_bias) + hidden

    def hidden_logits(self, z: tf.Tensor) -> tf.Tensor:
        """Returns the logits of h given z: z W + c, [B, n]."""
        return tf.matmul(z, self.couplings) + self.hidden_bias

    def visible_logits(self, h: tf.Tensor) -> tf.Tensor:
        """Returns the logits of z given h: b + W h, [B, m]."""
        return tf.matmul(h, self.couplings, transpose_b=True) + self.visible_bias


@dataclasses.dataclass(frozen=True, eq=False)
class GeometricPath:
    """The path from W = 0, c = 0 and biases b_A at beta = 0 to `model` at beta = 1.

    Its methods are arguments of `gibbs.make_step`; beta is a scalar, or [B, 1].

    Attributes:
      base: b_A, [m]; with the log odds of the means of the latents the path is short.
    """

    model: RestrictedBoltzmann
    base: tf.Tensor

    @property
    def log_partition_base(self) -> tf.Tensor:
        """log Z_A: scalar, float64, nats."""
        visible = tf.reduce_sum(tf.nn.softplus(tf.cast(self.base, tf.float64)))
        return visible + self.model.num_hidden * tf.math.log(tf.constant(2.0, tf.float64))

    def log_unnormalised(self, z: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
        """Returns log f_beta(z): [B], nats, float64, as thousands of small differences add up."""
        logits = self.model.hidden_logits(z)
        z, logits, beta, base, bias = (
            tf.cast(x, tf.float64) for x in (z, logits, beta, self.base, self.model.visible_bias)
        )
        hidden = tf.reduce_sum(tf.nn.softplus(beta * logits), axis=-1)
        at_base, at_bias = tf.linalg.matvec(z, base), tf.linalg.matvec(z, bias)
        share = tf.reshape(beta, [-1])  # [1], or [B]
        return (1.0 - share) * at_base + share * at_bias + hidden

    def hidden_logits(self, z: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
        """Returns the logits of h given z at beta: beta (z W + c), [B, n]."""
        return beta * self.model.hidden_logits(z)

    def visible_logits(self, h: tf.Tensor, beta: tf.Tensor) -> tf.Tensor:
        """Returns the logits of z given h at beta: (1 - beta) b_A + beta (b + W h), [B, m]."""
        return (1.0 - beta) * self.base + beta * self.model.visible_logits(h)
