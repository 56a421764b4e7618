"""Networks for energies, generators and statistics of images, with the shapes of Kumar et al.

    growing  z -> image          dense, transposed convolutions
    strided  image -> numbers    a 5x5 convolution of stride 2 for each level (MNIST)
    paired   image -> numbers    3x3 of stride 1 and 4x4 of stride 2 for each level (CIFAR, CelebA)

Kernels of convolutions start from N(0, 0.02^2), dense layers with the default of Keras. Energies
and statistics are not normalised, as published. The generator is normalised within one example; the
released code normalises by batch statistics, which make an image depend on its neighbours.

References:
  R. Kumar, S. Ozair, A. Goyal, A. Courville, Y. Bengio, Maximum entropy generators for
    energy-based models, arXiv 1901.08508.
  Y. Wu, K. He, Group normalization, ECCV 2018.
"""

import itertools
from collections.abc import Callable, Sequence

import keras

from tf_shortrun.core.errors import InputError

_GROUPS = 8


def growing(
    sides: Sequence[int],
    channels: Sequence[int],
    kernel: int,
    image_channels: int,
    activate_start: bool,
) -> keras.Model:
    """Returns a generator [B, d] -> [B, H, H, image_channels] in (-1, 1).

    Args:
      sides: of the square maps, and last of the image. The next side is the same (kernel 3), the
        double, or the double less one (odd `kernel`).
      channels: of the maps.
      kernel: of the transposed convolutions that double a side.
      activate_start: whether the first map is normalised and rectified, as all other maps are.

    Raises:
      InputError: if a side does not follow from the side before, or channels do not fit.
    """
    _check_growth(sides, channels, kernel)
    start = keras.layers.Reshape((sides[0], sides[0], channels[0]))
    layers = [keras.layers.Dense(sides[0] ** 2 * channels[0]), start]
    outputs = [*channels[1:], image_channels]
    for level, (before, side) in enumerate(itertools.pairwise(sides)):
        if level or activate_start:
            layers += [keras.layers.GroupNormalization(_GROUPS), keras.layers.ReLU()]
        layers.append(_transposed(outputs[level], kernel, before, side))
    return keras.Sequential([*layers, keras.layers.Activation("tanh")])


def strided(
    channels: Sequence[int], kernel: int, outputs: int, activation: str | Callable
) -> keras.Model:
    """Returns a network [B, H, W, C] -> [B, outputs]: strided convolutions, then a dense layer.

    Each entry of `channels` is one convolution, which halves the side.
    """
    layers = [_convolution(n, kernel, 2, activation) for n in channels]
    return _flat(layers, outputs)


def paired(channels: Sequence[int], outputs: int, activation: str | Callable) -> keras.Model:
    """Returns a network [B, H, W, C] -> [B, outputs]: pairs of convolutions, then a dense layer.

    Each entry of `channels` is a pair, whose second convolution halves the side. The last pair has
    only its first convolution.
    """
    pairs = [
        [_convolution(n, 3, 1, activation), _convolution(n, 4, 2, activation)] for n in channels
    ]
    return _flat(list(itertools.chain(*pairs))[:-1], outputs)


def _check_growth(sides: Sequence[int], channels: Sequence[int], kernel: int) -> None:
    if len(sides) != len(channels) + 1 or any(n % _GROUPS for n in channels):
        raise InputError(
            f"sides are {sides}, channels {channels}: give channels for each side but the last, "
            f"all multiples of {_GROUPS}, the number of normalised groups"
        )
    for before, side in itertools.pairwise(sides):
        if side not in (before, 2 * before, 2 * before - kernel % 2):
            raise InputError(
                f"sides are {sides} and kernel {kernel}: choose sides where {before} grows to "
                f"{2 * before}, to {2 * before - 1} with an odd kernel, or stays"
            )


def _flat(layers: list, outputs: int) -> keras.Model:
    if not layers:
        raise InputError("channels are empty: give at least one level of convolutions")
    return keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(outputs)])


def _convolution(features: int, kernel: int, stride: int, activation) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        features, kernel, stride, "same", activation=activation, kernel_initializer=_start()
    )


def _transposed(features: int, kernel: int, before: int, side: int) -> keras.layers.Layer:
    kernel, stride = (3, 1) if side == before else (kernel, 2)
    # By default Keras doubles the side; with output padding 0 it is one pixel less than the double.
    padding = 0 if side == 2 * before - 1 else None
    return keras.layers.Conv2DTranspose(
        features, kernel, stride, "same", output_padding=padding, kernel_initializer=_start()
    )


def _start() -> keras.Initializer:
    return keras.initializers.RandomNormal(stddev=0.02)
