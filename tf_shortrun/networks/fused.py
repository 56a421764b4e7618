"""Bias and GELU in one kernel, with one pass over memory forward and one backward.

    u = x + b
    y = u Phi(u) + h,   h a sum of skip connections, or 0
    dx = dy (Phi(u) + u phi(u)),   computed again from x: nothing else is kept
    db = sum of dx over all but channels, in float32

Phi and phi are the distribution function and density of N(0, 1): the exact GELU. As separate
operations these are a dozen passes over every feature map, and in bfloat16 they are slower than the
convolutions between them. Here each line is one function, always compiled by XLA, which reads maps,
computes in float32 and writes a map. In TensorFlow the gradient of a bias sums bfloat16 numbers in
bfloat16, and is 4 times too small for the bias of an image.

References: D. Hendrycks, K. Gimpel, Gaussian error linear units (GELUs), arXiv 1606.08415.
"""

import math

import keras
import tensorflow as tf


class BiasedGelu(keras.layers.Layer):
    """A layer (x, skips) -> GELU(x + b) + sum of skips, in the type of x.

    initializer: of the bias b.
    """

    def __init__(self, initializer: keras.Initializer):
        # The bias is float32; maps keep their type.
        super().__init__(dtype="float32", autocast=False)
        self.initializer = initializer

    def build(self, x_shape, skips_shape=None):
        self.bias = self.add_weight(shape=x_shape[-1:], initializer=self.initializer, name="bias")

    def call(self, x, skips=()):
        return biased_gelu(x, tf.convert_to_tensor(self.bias), *skips)


class BiasedTanh(keras.layers.Layer):
    """A layer x -> tanh(x + b), which computes in float32 for any type of x."""

    def __init__(self, initializer: keras.Initializer):
        super().__init__(dtype="float32")
        self.initializer = initializer

    def build(self, shape):
        self.bias = self.add_weight(shape=shape[-1:], initializer=self.initializer, name="bias")

    def call(self, x):
        return tf.tanh(x + self.bias)


def gelu(x: tf.Tensor) -> tf.Tensor:
    """Returns GELU(x), without a bias."""
    return biased_gelu(x, tf.zeros(x.shape[-1:]))


@tf.custom_gradient
def biased_gelu(x: tf.Tensor, bias: tf.Tensor, *skips: tf.Tensor) -> tuple[tf.Tensor, object]:
    """Returns GELU(x + b) + sum of skips in the type of x; x and skips [..., C], b float32 [C].

    Gradients are differentiable, too.
    """

    def pullback(dy):
        dx = _pullback(x, bias, dy)
        db = tf.reduce_sum(tf.cast(dx, tf.float32), axis=range(x.shape.rank - 1))
        return dx, db, *(dy for _ in skips)

    return _value(x, bias, *skips), pullback


@tf.function(jit_compile=True, autograph=False)
def _value(x, bias, *skips):
    u = tf.cast(x, tf.float32) + bias
    y = tf.add_n([u * _distribution(u), *(tf.cast(skip, tf.float32) for skip in skips)])
    return tf.cast(y, x.dtype)


@tf.function(jit_compile=True, autograph=False)
def _pullback(x, bias, dy):
    u = tf.cast(x, tf.float32) + bias
    density = tf.exp(-0.5 * u**2) / math.sqrt(2.0 * math.pi)
    return tf.cast(tf.cast(dy, tf.float32) * (_distribution(u) + u * density), x.dtype)


def _distribution(u):
    return 0.5 * (1.0 + tf.math.erf(u / math.sqrt(2.0)))
