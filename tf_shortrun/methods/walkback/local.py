"""A network of images that looks at each pixel once more, with its nearest neighbours.

    h   = trunk(s, log T), `features` numbers for each number of the state
    out = convolutions(h, s, e(s + 1), e(1 - s)),   e(d) = tanh(d / (4 sigma sqrt(T)))

where both see s / sqrt(1 + T sigma^2) in place of s, if states are rescaled: this has the scale of
data also where steps are much wider than the data.

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
    rescale: bool,
) -> Callable:
    """Returns `make_network(state_shape, num_outputs)`.

    Args:
      trunk: makes the network of the whole image.
      units: channels of the convolutions, whose filters have the side `window`.
      sigma: width of steps at T = 1.
      rescale: whether states are rescaled; binary states have the scale of data at all T.
    """
    if features < 1 or window < 1 or not sigma > 0:
        raise InputError(
            f"features is {features}, window {window}, sigma {sigma}: choose all above 0"
        )
    return functools.partial(Local, trunk, features, units, window, activation, sigma, rescale)


class Local(keras.Model):
    """A trunk, then convolutions that know the values of the pixels and the temperature."""

    def __init__(
        self, trunk, features, units, window, activation, sigma, rescale, state_shape, num_outputs
    ):
        super().__init__()
        self.trunk, self.sigma, self.rescale = trunk(state_shape, features), sigma, rescale
        self.hidden = [
            Hidden(_convolution(n, window), n, activation, modulated=True, normalized=False)
            for n in units
        ]
        self.head = _convolution(num_outputs * state_shape[-1], 1)

    def call(self, inputs):
        state, log_temperature = inputs
        width = self.sigma * tf.exp(0.5 * log_temperature)[:, None, None, None]
        ends = [tf.tanh(0.25 * (state + 1.0) / width), tf.tanh(0.25 * (1.0 - state) / width)]
        if self.rescale:
            state = state / tf.sqrt(1.0 + width**2)
        h = tf.concat([self.trunk([state, log_temperature]), state, *ends], axis=-1)
        for hidden in self.hidden:
            h = hidden(h, log_temperature)
        return self.head(h)


def _convolution(channels: int, side: int) -> keras.layers.Layer:
    return keras.layers.Conv2D(channels, side, padding="same")
