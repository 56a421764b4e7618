"""A generator that is stuck: its outputs are where tanh has no gradient, and they are wrong."""

import tensorflow as tf

STUCK = "stuck"  # a metric of an update: 1 if so, else 0
_SLOPE = 1e-3  # of tanh
_SHARE = 0.99


def is_stuck(images: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Returns 1.0 if a generator of outputs tanh(a) cannot learn any more, else 0.0.

    It cannot if the slope of tanh is below .001 at 99 of 100 outputs, but they explain the images
    less well than one colour does. Healthy generators of black or white images have the first only.

    Args:
      images, outputs: [B, H, W, C] on [-1, 1].
    """
    at_limit = tf.abs(tf.abs(outputs) - 1.0) < 0.5 * _SLOPE  # 1 - tanh^2 is the slope
    share = tf.reduce_mean(tf.cast(at_limit, tf.float32))
    colour = tf.reduce_mean(images, axis=list(range(images.shape.rank - 1)))
    is_wrong = tf.reduce_mean((images - outputs) ** 2) > tf.reduce_mean((images - colour) ** 2)
    return tf.cast(is_wrong & (share > _SHARE), tf.float32)
