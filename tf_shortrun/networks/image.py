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
import math
from collections.abc import Callable, Sequence

import keras

from tf_shortrun.core.errors import InputError
from tf_shortrun.networks.sides import halved

_GROUPS = 8


Side = int | tuple[int, int]  # of a square, or rows and columns


def sides_to(image_shape: Sequence[int], num: int) -> tuple[tuple[int, int], ...]:
    """Returns the sides of maps for `growing` to images of any size, which grow `num` times.

    An odd kernel is needed if a side, halved so often, is not even each time.
    """
    return tuple(halved(image_shape, left) for left in range(num, -1, -1))


def channels_of(image_shape: Sequence[int]) -> int:
    """Returns the channels of images of this shape."""
    return image_shape[-1]


def growing(
    sides: Sequence[Side],
    channels: Sequence[int],
    kernel: int,
    image_channels: int,
    activate_start: bool,
) -> keras.Model:
    """Returns a generator [B, d] -> [B, H, W, image_channels] in (-1, 1).

    Args:
      sides: of the maps, and last of the image, see `sides_to`; one number for a square. The next
        side is the same (kernel 3), the double, or the double less one (odd `kernel`).
      channels: of the maps.
      kernel: of the transposed convolutions that double a side.
      activate_start: whether the first map is normalised and rectified, as all other maps are.

    Raises:
      InputError: if a side does not follow from the side before, or channels do not fit.
    """
    _check_growth(sides, channels, kernel)
    pairs = [_pair(side) for side in sides]
    start = keras.layers.Reshape((*pairs[0], channels[0]))
    layers = [keras.layers.Dense(math.prod(pairs[0]) * channels[0]), start]
    outputs = [*channels[1:], image_channels]
    for level, (before, side) in enumerate(itertools.pairwise(pairs)):
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


def _pair(side: Side) -> tuple[int, int]:
    return (side, side) if isinstance(side, int) else side


def _check_growth(sides: Sequence[Side], channels: Sequence[int], kernel: int) -> None:
    if len(sides) != len(channels) + 1 or any(n % _GROUPS for n in channels):
        raise InputError(
            f"sides are {sides}, channels {channels}: give channels for each side but the last, "
            f"all multiples of {_GROUPS}, the number of normalised groups"
        )
    for before, side in itertools.pairwise(sides):
        if not _follows(_pair(before), _pair(side), kernel):
            raise InputError(
                f"sides are {sides} and kernel {kernel}: choose sides where {before} grows to "
                f"{_double(before)}, to {_double(before, 1)} with an odd kernel, or stays"
            )


def _double(side: Side, less: int = 0) -> Side:
    if isinstance(side, int):
        return 2 * side - less
    return 2 * side[0] - less, 2 * side[1] - less


def _follows(before: tuple[int, int], side: tuple[int, int], kernel: int) -> bool:
    pairs = list(zip(before, side, strict=True))
    return before == side or all(b in (2 * a, 2 * a - kernel % 2) for a, b in pairs)


def _flat(layers: list, outputs: int) -> keras.Model:
    if not layers:
        raise InputError("channels are empty: give at least one level of convolutions")
    return keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(outputs)])


def _convolution(features: int, kernel: int, stride: int, activation) -> keras.layers.Layer:
    return keras.layers.Conv2D(
        features, kernel, stride, "same", activation=activation, kernel_initializer=_start()
    )


def _transposed(
    features: int, kernel: int, before: tuple[int, int], side: tuple[int, int]
) -> keras.layers.Layer:
    kernel, stride = (3, 1) if side == before else (kernel, 2)
    # By default Keras doubles a side; with output padding 0 it is one pixel less than the double.
    less = [b == 2 * a - 1 for a, b in zip(before, side, strict=True)]
    padding = tuple(1 - one for one in less) if any(less) and stride == 2 else None
    return keras.layers.Conv2DTranspose(
        features, kernel, stride, "same", output_padding=padding, kernel_initializer=_start()
    )


def _start() -> keras.Initializer:
    return keras.initializers.RandomNormal(stddev=0.02)
