"""Convolutions of stride 1 whose gradient in the maps is a convolution again.

    y = x * k,    dx = dy * k',    k'[i, j, a, b] = k[-i, -j, b, a],    padding "same", odd kernels

The library's own gradient in the maps takes half as long again as its convolution (see
tools/BENCHMARK.md), and a Langevin step is one of each. A transposed convolution of stride 1 is
x * k' itself.
"""

import keras
import tensorflow as tf


class Convolution(keras.layers.Conv2D):
    """`keras.layers.Conv2D` of stride 1, padding "same" and an odd kernel."""

    def __init__(self, filters: int, kernel_size: int, **options):
        super().__init__(filters, kernel_size, padding="same", **options)

    def convolution_op(self, inputs, kernel):
        return convolve(inputs, tf.convert_to_tensor(kernel))


class TransposedConvolution(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` of stride 1, padding "same", an odd kernel and no bias."""

    def __init__(self, filters: int, kernel_size: int, **options):
        super().__init__(filters, kernel_size, padding="same", use_bias=False, **options)

    def call(self, inputs):
        return convolve(inputs, mirrored(tf.convert_to_tensor(self.kernel)))


@tf.custom_gradient
def convolve(maps: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, object]:
    """[B, H, W, M] and [k, k, M, N] to [B, H, W, N]; derivatives have derivatives."""

    def pullback(dy):
        return convolve(dy, mirrored(kernel)), _filter_gradient(maps, kernel, dy)

    return tf.nn.conv2d(maps, kernel, 1, "SAME"), pullback


@tf.custom_gradient
def mirrored(kernel: tf.Tensor) -> tuple[tf.Tensor, object]:
    """k' of k: both sides reversed, [k, k, M, N] to [k, k, N, M]. Its own adjoint."""
    # TensorFlow's gradient of a slice would make a constant of the kernel in an XLA program.
    return _mirrored(kernel), mirrored


@tf.function(jit_compile=True, autograph=False)  # ten times as fast as the two operations
def _mirrored(kernel: tf.Tensor) -> tf.Tensor:
    return tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])


def _filter_gradient(maps: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
    return tf.compat.v1.nn.conv2d_backprop_filter(maps, kernel.shape, dy, [1] * 4, "SAME")
