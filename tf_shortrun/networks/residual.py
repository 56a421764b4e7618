"""Residual networks, normalised within an example: a dense network, and one that makes images.

    dense     x + W_2 gelu(W_1 norm(x))
    subpixel  x + conv_2 gelu(norm(conv_1 gelu(norm(x)))),     3x3

Earlier systems with binary latents use weight normalisation. Here a layer, or groups of its
channels, are normalised instead: this needs no batch statistics, and no first batch to initialise.

References: K. He, X. Zhang, S. Ren, J. Sun, Identity mappings in deep residual networks, ECCV 2016.
J. L. Ba, J. R. Kiros, G. E. Hinton, Layer normalization, 2016. Y. Wu, K. He, Group normalization,
ECCV 2018. W. Shi et al., Real-time single image and video super-resolution using an efficient
sub-pixel convolutional neural network, CVPR 2016.
"""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.networks.convolution import Convolution

_GROUPS = 8


def dense_tower(width: int, num_blocks: int, outputs: Sequence[int]) -> keras.Model:
    """Returns a network [B, ...] -> [B, *outputs]: dense layer, residual blocks, dense layer."""
    return keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(width),
            *[_DenseBlock(width) for _ in range(num_blocks)],
            keras.layers.LayerNormalization(),
            keras.layers.Dense(math.prod(outputs)),
            keras.layers.Reshape(tuple(outputs)),
        ]
    )


def strided_tower(channels: Sequence[int], kernel: int, outputs: int) -> keras.Model:
    """Returns a network [B, H, W, C] -> [B, outputs]: strided convolutions, then a dense layer.

    Each entry of `channels` is one convolution, which halves the side. The network is not residual.
    Weights start with the defaults of Keras. With the small first kernels of adversarial networks
    (see `image.py`) codes carry no information about the image at first, and never learn to.
    """
    convolutions = [keras.layers.Conv2D(n, kernel, 2, "same", activation="relu") for n in channels]
    last = keras.layers.Dense(outputs, activation="gelu")
    return keras.Sequential([*convolutions, keras.layers.Flatten(), last])


def subpixel_tower(
    side: int | tuple[int, int], channels: int, num_blocks: int, factor: int, outputs: int
) -> keras.Model:
    """Returns a network [B, m] -> [B, H, W, outputs], H and W are `factor` times the sides.

    All blocks work on maps of `side` x `side`, or of (rows, columns). At the end, the channels of
    each place become a square of `factor` by `factor` pixels.

    Raises:
      InputError: if channels is not a multiple of 8, the number of normalised groups, or factor
        is below 2.
    """
    if channels < 1 or channels % _GROUPS or factor < 2:
        raise InputError(
            f"channels is {channels}, factor {factor}: "
            f"choose a multiple of {_GROUPS}, and 2 at least"
        )
    sides = (side, side) if isinstance(side, int) else side
    return keras.Sequential(
        [
            keras.layers.Dense(math.prod(sides) * channels),
            keras.layers.Reshape((*sides, channels)),
            *[_ConvolutionBlock(channels) for _ in range(num_blocks)],
            keras.layers.GroupNormalization(_GROUPS),
            keras.layers.Activation("gelu"),
            Convolution(factor**2 * outputs, 3),
            DepthToSpace(factor),
        ]
    )


class _DenseBlock(keras.layers.Layer):
    def __init__(self, width: int):
        super().__init__()
        self.branch = keras.Sequential(
            [
                keras.layers.LayerNormalization(),
                keras.layers.Dense(width, activation="gelu"),
                keras.layers.Dense(width),
            ]
        )

    def call(self, x):
        return x + self.branch(x)


class _ConvolutionBlock(keras.layers.Layer):
    def __init__(self, features: int):
        super().__init__()
        layers = []
        for _ in range(2):
            layers += [
                keras.layers.GroupNormalization(_GROUPS),
                keras.layers.Activation("gelu"),
                Convolution(features, 3),
            ]
        self.branch = keras.Sequential(layers)

    def call(self, x):
        return x + self.branch(x)


class DepthToSpace(keras.layers.Layer):
    """A layer from the channels of a place to a square of `factor` by `factor` pixels."""

    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return tf.nn.depth_to_space(x, self.factor)
