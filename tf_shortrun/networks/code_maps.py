"""Convolutional networks between images and codes that are laid out as small maps.

    encoder   squares of pixels -> places, blocks     c features for each place
    head      features and earlier bits -> bits       b bits for each place
    decoder   bits -> places, blocks                  a square of pixels for each place
    block     x + conv_2 gelu(conv_1 gelu(x)),        3x3

A vector of features or bits is a map of S by S places, flattened channel by channel, [c S S]. So
vectors, joined one after another, are maps whose channels are joined. A bit describes the pixels
around its place, which a dense layer would have to learn from the data.

Nothing is normalised, unlike in `residual.py`: groups of channels, normalised over the map of an
example, would lose their mean, and the mean colour of an image is part of its code.

References: K. He, X. Zhang, S. Ren, J. Sun, Identity mappings in deep residual networks, ECCV 2016.
W. Shi et al., Real-time single image and video super-resolution using an efficient sub-pixel
convolutional neural network, CVPR 2016.
"""

import keras
import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.networks.convolution import Convolution
from tf_shortrun.networks.residual import DepthToSpace


def map_encoder(channels: int, num_blocks: int, factor: int) -> keras.Model:
    """Returns a network [B, H, H, C] -> [B, channels S S], S = H / factor."""
    return keras.Sequential([_SpaceToDepth(factor), *_body(channels, num_blocks), FromMaps()])


def map_head(side: int, outputs: int) -> keras.Model:
    """Returns a network [B, c S S] -> [B, outputs], S = side, for any c: one convolution.

    Raises:
      InputError: if the outputs do not fill maps of this side.
    """
    if outputs % side**2:
        raise InputError(f"{outputs} bits do not fill maps of {side} by {side}: choose a multiple")
    return keras.Sequential([ToMaps(side), Convolution(outputs // side**2, 3), FromMaps()])


def map_decoder(
    side: int, channels: int, num_blocks: int, factor: int, outputs: int
) -> keras.Model:
    """Returns a network [B, c S S] -> [B, H, H, outputs], H = factor S, S = side."""
    last = [Convolution(factor**2 * outputs, 3), DepthToSpace(factor)]
    return keras.Sequential([ToMaps(side), *_body(channels, num_blocks), *last])


def _body(channels: int, num_blocks: int) -> list[keras.layers.Layer]:
    blocks = [_MapBlock(channels) for _ in range(num_blocks)]
    return [Convolution(channels, 3), *blocks, keras.layers.Activation("gelu")]


class ToMaps(keras.layers.Layer):
    """A layer from vectors [B, c S S] to maps [B, S, S, c]."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side

    def call(self, x):
        maps = tf.reshape(x, [-1, x.shape[-1] // self.side**2, self.side, self.side])
        return tf.transpose(maps, [0, 2, 3, 1])


class FromMaps(keras.layers.Layer):
    """A layer from maps [B, S, S, c] to vectors [B, c S S]: the inverse of `ToMaps`."""

    def call(self, maps):
        side, channels = maps.shape[-2:]
        return tf.reshape(tf.transpose(maps, [0, 3, 1, 2]), [-1, channels * side**2])


class _MapBlock(keras.layers.Layer):
    def __init__(self, channels: int):
        super().__init__()
        layers = []
        for _ in range(2):
            layers += [keras.layers.Activation("gelu"), Convolution(channels, 3)]
        self.branch = keras.Sequential(layers)

    def call(self, x):
        return x + self.branch(x)


class _SpaceToDepth(keras.layers.Layer):
    def __init__(self, factor: int):
        super().__init__()
        self.factor = factor

    def call(self, x):
        return tf.nn.space_to_depth(x, self.factor)
