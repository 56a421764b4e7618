"""The layers of the top-down generator, as in the released code, in NHWC order.

    Projection           z -> features          Dense, 5x5 transposed convolution
    ResidualBlock        features -> features   5x5, 3x3, plus its input
    GaussianConditional  features, eps -> z     z = mean(h) + std(h) * eps
    LadderMerge          features, eps -> z     z = GELU(W [mean(h), eps])
    Upsampling           features -> image      4x4 transposed convolutions, stride 2

GELU is exact (erf). Initial weights and biases are uniform in +-1/sqrt(fan_in), PyTorch's
default, where the fan-in of a transposed convolution counts its output channels.
"""

import math
from collections.abc import Callable

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.networks.convolution import Convolution, TransposedConvolution
from tf_shortrun.networks.fused import BiasedGelu, BiasedTanh, gelu

Sides = tuple[int, int]  # of maps: rows and columns


def released_std(raw: tf.Tensor) -> tf.Tensor:
    """Returns the standard deviation of the released code, which is never below 1.

    v = clip(softplus(raw) + 1e-8, 0, 10) is used as a log-variance, so that
    std = exp(v / 2) lies in [1, e^5].
    """
    return tf.exp(0.5 * tf.clip_by_value(tf.nn.softplus(raw) + 1e-8, 0.0, 10.0))


def free_std(raw: tf.Tensor) -> tf.Tensor:
    """Returns exp(raw / 2) in [e^-5, e^5]: `raw` is a log-variance, clipped to [-10, 10]."""
    return tf.exp(0.5 * tf.clip_by_value(raw, -10.0, 10.0))


class Projection(keras.layers.Layer):
    """A layer from a vector to feature maps: [B, d] -> [B, *sides, features]."""

    def __init__(self, width: int, sides: Sides, features: int):
        super().__init__()
        self.layers = [
            _dense(width, 4 * math.prod(sides)),
            keras.layers.Reshape((*sides, 4)),
            TransposedConvolution(features, 5, kernel_initializer=_start(features * 5**2)),
            keras.layers.Activation(gelu),
        ]

    def call(self, z):
        return _chain(self.layers, z)


class ResidualBlock(keras.layers.Layer):
    """Two convolutions with skips: h + GELU(conv3(GELU(conv5(h)))) + others, all of one shape."""

    def __init__(self, features: int):
        super().__init__()
        *self.layers, self.last = [
            *_conv(Convolution, features, features, 5),
            *_conv(Convolution, features, features, 3),
        ]

    def call(self, h, others=()):
        return self.last(_chain(self.layers, h), skips=(h, *others))


class GaussianConditional(keras.layers.Layer):
    """The layer p(z_l | h) = N(mean(h), diag std(h)^2); `std_fn` maps raw outputs to std."""

    def __init__(self, width: int, sides: Sides, features: int, std_fn: Callable):
        super().__init__()
        self.mean = _readout(width, sides, features)
        self.raw_std = _readout(width, sides, features)
        self.std_fn = std_fn

    def distribution(self, h) -> tfd.Distribution:
        """Returns p(z_l | h): batch shape [B], event shape [d_l]."""
        return tfd.MultivariateNormalDiag(*self.moments(h))

    def call(self, h, eps):
        mean, std = self.moments(h)
        return mean + std * eps

    def moments(self, h) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns mean and standard deviation of p(z_l | h), [B, d_l] each."""
        return _chain(self.mean, h), self.std_fn(_chain(self.raw_std, h))


class LadderMerge(keras.layers.Layer):
    """The layer z_l = GELU(W [mean(h), eps_l] + b) of the ladder variant; it has no density."""

    def __init__(self, width: int, sides: Sides, features: int):
        super().__init__()
        self.mean = _readout(width, sides, features)
        self.merge = [_dense(2 * width, width, use_bias=False), BiasedGelu(_start(2 * width))]

    def call(self, h, eps):
        return _chain(self.merge, tf.concat([_chain(self.mean, h), eps], axis=-1))


class Upsampling(keras.layers.Layer):
    """A layer that doubles both sides `num` times; the last doubling gives the image, by tanh."""

    def __init__(self, num: int, features: int, channels: int):
        super().__init__()
        self.layers = []
        for _ in range(num - 1):
            self.layers += [_doubling(features), BiasedGelu(_start(features * 4**2))]
        self.layers += [_doubling(channels), BiasedTanh(_start(channels * 4**2))]

    def start_at(self, mean: tf.Tensor):
        """Sets the last bias to atanh(mean), where |mean| is at most .99: [C]."""
        self.layers[-1].bias.assign(tf.atanh(tf.clip_by_value(mean, -0.99, 0.99)))

    def call(self, h):
        return _chain(self.layers, h)


def _readout(width: int, sides: Sides, features: int) -> list:
    """Returns layers features -> [B, width]: valid convolution (5x5 if it fits), GELU, dense."""
    kernel = min(5, *sides)
    rest = math.prod(side - kernel + 1 for side in sides)
    convolution = _conv(keras.layers.Conv2D, features, width, kernel)
    return [*convolution, keras.layers.Flatten(), _dense(width * rest, width)]


def _chain(layers, x):
    for layer in layers:
        x = layer(x)
    return x


def _dense(inputs: int, outputs: int, use_bias: bool = True):
    return keras.layers.Dense(
        outputs,
        use_bias=use_bias,
        kernel_initializer=_start(inputs),
        bias_initializer=_start(inputs),
    )


def strided_convolution(features: int) -> list:
    """Returns layers that halve the side: 4x4 convolution of stride 2, bias (first 0), GELU."""
    # Uniform in +-1/sqrt(fan_in), as in all layers here; Keras finds fan_in from the input.
    start = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
    convolution = keras.layers.Conv2D(
        features, 4, 2, padding="same", use_bias=False, kernel_initializer=start
    )
    return [convolution, BiasedGelu("zeros")]


def _conv(make: type, inputs: int, outputs: int, kernel: int) -> list:
    """Returns a convolution without bias, then a layer of bias and GELU."""
    start = _start(inputs * kernel**2)
    convolution = make(outputs, kernel, use_bias=False, kernel_initializer=start)
    return [convolution, BiasedGelu(start)]


def _doubling(outputs: int):
    start = _start(outputs * 4**2)
    return keras.layers.Conv2DTranspose(
        outputs, 4, 2, padding="same", use_bias=False, kernel_initializer=start
    )


def _start(fan_in: int) -> keras.Initializer:
    return keras.initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)
