"""Convolutions of stride 1 whose gradient in the maps is itself computed as a convolution.

    y = x * k,    dx = dy * k',    k'[i, j, a, b] = k[-i, -j, b, a],    padding "same", odd kernels

In TensorFlow the gradient in the maps takes 1.5 times as long as the convolution (see
tools/BENCHMARK.md), and a Langevin step computes one of each. A transposed convolution of stride 1
is x * k' itself.
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
    """Convolves maps [B, H, W, M] with a kernel [k, k, M, N] to [B, H, W, N].

    Gradients are differentiable, too.
    """

    def pullback(dy):
        return convolve(dy, mirrored(kernel)), _filter_gradient(maps, kernel, dy)

    return tf.nn.conv2d(maps, kernel, 1, "SAME"), pullback


@tf.custom_gradient
def mirrored(kernel: tf.Tensor) -> tuple[tf.Tensor, object]:
    """Returns k' [k, k, N, M] of k [k, k, M, N]: both sides are reversed.

    The map from k to k' is its own adjoint.
    """
    # With the gradient of a slice, TensorFlow would make the kernel a constant in an XLA program.
    return _mirrored(kernel), mirrored


@tf.function(jit_compile=True, autograph=False)  # ten times as fast as the two operations
def _mirrored(kernel: tf.Tensor) -> tf.Tensor:
    return tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])


def _filter_gradient(maps: tf.Tensor, kernel: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
    return tf.compat.v1.nn.conv2d_backprop_filter(maps, kernel.shape, dy, [1] * 4, "SAME")
