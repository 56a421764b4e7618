"""Networks of transition operators: [s, log T] -> one or more outputs of the state's shape.

    dense          points, vectors, small images: hidden layers
    convolutional  images: strided convolutions, dense layers, a decoder for each output

Optionally the temperature modulates each layer before its activation (FiLM):

    h <- (1 + g(log T)) h + b(log T),   g = b = 0 at first

Normalisation is within one example. The released code normalises by statistics of the batch,
so that a state depends on the other states of its batch.

References:
  E. Perez, F. Strub, H. de Vries, V. Dumoulin, A. Courville, FiLM: visual reasoning with a
    general conditioning layer, AAAI 2018.
  Y. Wu, K. He, Group normalization, ECCV 2018.
"""

import functools
import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.networks import sides

_GROUPS = 8
_FREQUENCIES = (0.5, 1.0, 2.0, 4.0)  # log T spans a few units


def dense(units: Sequence[int], activation: str | Callable, modulated: bool) -> Callable:
    """Returns `make_network(state_shape, num_outputs)` with hidden layers of `units`."""
    return functools.partial(Dense, units, activation, modulated)


def convolutional(
    channels: Sequence[int], units: Sequence[int], activation: str | Callable, modulated: bool
) -> Callable:
    """Returns `make_network(state_shape, num_outputs)`; each of `channels` halves both sides.

    Sides that cannot be halved are rounded up, see `networks/sides.py`.
    """
    return functools.partial(Convolutional, channels, units, activation, modulated)


class Dense(keras.Model):
    """A network that flattens the state: hidden layers, then one linear layer to all outputs."""

    def __init__(self, units, activation, modulated, state_shape, num_outputs):
        super().__init__()
        self.hidden = [
            Hidden(keras.layers.Dense(n), n, activation, modulated, normalized=False) for n in units
        ]
        shape = (*state_shape[:-1], num_outputs * state_shape[-1])
        self.head = keras.layers.Dense(math.prod(shape))
        self.flatten, self.shape_out = keras.layers.Flatten(), keras.layers.Reshape(shape)

    def call(self, inputs):
        h, log_temperature = inputs
        h = self.flatten(h)
        for hidden in self.hidden:
            h = hidden(h, log_temperature)
        return self.shape_out(self.head(h))


class Convolutional(keras.Model):
    """A network of 5x5 convolutions (stride 2), dense layers and transposed convolutions."""

    def __init__(self, channels, units, activation, modulated, state_shape, num_outputs):
        super().__init__()
        image_channels = state_shape[-1]
        if not channels or any(n % _GROUPS for n in [*channels, *units]):
            raise InputError(
                f"channels are {channels}, units {units}: give at least one layer of channels, "
                f"and multiples of {_GROUPS}, the number of normalisation groups"
            )
        self.state_shape = tuple(state_shape)
        bottom = (*sides.halved(state_shape, len(channels)), channels[-1])

        def hidden(layer, features, normalized=True):
            return Hidden(layer, features, activation, modulated, normalized)

        self.down = [hidden(keras.layers.Conv2D(n, 5, 2, padding="same"), n) for n in channels]
        self.across = [hidden(keras.layers.Dense(n), n) for n in [*units, math.prod(bottom)]]
        self.flatten, self.unflatten = keras.layers.Flatten(), keras.layers.Reshape(bottom)
        self.decoders = [
            [hidden(_transposed(n), n) for n in channels[-2::-1]] + [_transposed(image_channels)]
            for _ in range(num_outputs)
        ]

    def call(self, inputs):
        h, log_temperature = inputs
        for layer in self.down:
            h = layer(h, log_temperature)
        h = self.flatten(h)
        for layer in self.across:
            h = layer(h, log_temperature)
        h = self.unflatten(h)
        outputs = [_decode(d, h, log_temperature) for d in self.decoders]
        return sides.cut_middle(tf.concat(outputs, axis=-1), self.state_shape)


class Hidden(keras.layers.Layer):
    """A layer with its normalisation, its modulation by log T and its activation."""

    def __init__(self, layer, features: int, activation, modulated: bool, normalized: bool):
        super().__init__()
        self.layer = layer
        self.norm = keras.layers.GroupNormalization(_GROUPS) if normalized else None
        self.affine = None
        if modulated:
            self.affine = keras.layers.Dense(2 * features, kernel_initializer="zeros")
        self.activation = keras.activations.get(activation)

    def call(self, h, log_temperature):
        h = self.layer(h)
        if self.norm is not None:
            h = self.norm(h)
        if self.affine is not None:
            gain, shift = tf.split(self.affine(_waves(log_temperature)), 2, axis=-1)
            shape = [-1] + [1] * (len(h.shape) - 2) + [h.shape[-1]]
            h = (1.0 + tf.reshape(gain, shape)) * h + tf.reshape(shift, shape)
        return self.activation(h)


def _waves(log_temperature: tf.Tensor) -> tf.Tensor:
    """Returns features [B, 1 + 8] of log T [B]: log T / 4, then sines and cosines."""
    angles = log_temperature[:, None] * _FREQUENCIES
    return tf.concat([log_temperature[:, None] / 4.0, tf.sin(angles), tf.cos(angles)], axis=-1)


def _transposed(features: int) -> keras.layers.Layer:
    return keras.layers.Conv2DTranspose(features, 5, 2, padding="same")


def _decode(decoder: list, h: tf.Tensor, log_temperature: tf.Tensor) -> tf.Tensor:
    for layer in decoder[:-1]:
        h = layer(h, log_temperature)
    return decoder[-1](h)
