"""A network of images that looks at each pixel once more, with its nearest neighbours.

    h   = trunk(s, log T), `features` numbers for each number of the state
    out = convolutions(h, s, e(s + 1), e(1 - s)),   e(d) = tanh(d / (4 sigma sqrt(T)))

e measures the distance of a pixel from black (-1) and from white (1) in widths of a step. Many
pixels of images are exactly black, and at low temperature a step is much narrower than the range
of values: a network of the whole image does not resolve it, but these layers see whether a pixel
is black up to the noise of the step.
"""

import functools
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.walkback.networks import Hidden


def local(
    trunk: Callable,
    features: int,
    units: Sequence[int],
    window: int,
    activation: str | Callable,
    sigma: float,
) -> Callable:
    """Returns `make_network(state_shape, num_outputs)`.

    Args:
      trunk: makes the network of the whole image.
      units: channels of the convolutions, whose filters have the side `window`.
      sigma: width of steps at T = 1.
    """
    if features < 1 or window < 1 or not sigma > 0:
        raise InputError(
            f"features is {features}, window {window}, sigma {sigma}: choose all above 0"
        )
    return functools.partial(Local, trunk, features, units, window, activation, sigma)


class Local(keras.Model):
    """A trunk, then convolutions that know the values of the pixels and the temperature."""

    def __init__(self, trunk, features, units, window, activation, sigma, state_shape, num_outputs):
        super().__init__()
        self.trunk, self.sigma = trunk(state_shape, features), sigma
        self.hidden = [
            Hidden(_convolution(n, window), n, activation, modulated=True, normalized=False)
            for n in units
        ]
        self.head = _convolution(num_outputs * state_shape[-1], 1)

    def call(self, inputs):
        state, log_temperature = inputs
        scale = 4.0 * self.sigma * tf.exp(0.5 * log_temperature)[:, None, None, None]
        ends = [tf.tanh((state + 1.0) / scale), tf.tanh((1.0 - state) / scale)]
        h = tf.concat([self.trunk(inputs), state, *ends], axis=-1)
        for hidden in self.hidden:
            h = hidden(h, log_temperature)
        return self.head(h)


def _convolution(channels: int, side: int) -> keras.layers.Layer:
    return keras.layers.Conv2D(channels, side, padding="same")
