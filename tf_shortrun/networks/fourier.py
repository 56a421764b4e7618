"""Fourier features of the input, so that a network can learn high frequencies.

References: M. Tancik et al., Fourier features let networks learn high frequency functions in
low dimensional domains, NeurIPS 2020.
"""

import keras
import tensorflow as tf

from tf_shortrun.core.errors import InputError


class FourierFeatures(keras.layers.Layer):
    """A layer of Fourier features, [B, D] -> [B, D + 2 num]: x, sin(x W), cos(x W).

    W ~ N(0, scale^2) is drawn once and not learned.
    scale: in radians per unit of x; features vary over distances of about 1 / scale.
    """

    def __init__(self, num: int, scale: float):
        super().__init__()
        if num < 1 or not scale > 0:
            raise InputError(
                f"FourierFeatures has num {num}, scale {scale}: choose positive numbers"
            )
        self.num, self.scale = num, scale

    def build(self, shape):
        start = keras.initializers.RandomNormal(stddev=self.scale)
        self.waves = self.add_weight(
            shape=(shape[-1], self.num), initializer=start, trainable=False, name="waves"
        )

    def call(self, x):
        angles = tf.matmul(x, self.waves)
        return tf.concat([x, tf.sin(angles), tf.cos(angles)], axis=-1)
