"""The sides of maps between an image and its smallest maps, for images of any size.

Sides are halved and rounded up, so that 30 x 45 has maps of 15 x 23 and 8 x 12. The way back
doubles sides, and what is too much is cut off evenly.
"""

from collections.abc import Sequence

import tensorflow as tf

from tf_shortrun.core.errors import InputError

_SMALLEST = 6  # side of the smallest maps


def num_halvings(image_shape: Sequence[int]) -> int:
    """Returns the largest n >= 1 for which the smaller side, halved n times, is at least 6.

    28 and 32 give 2, 64 gives 3, 128 gives 4, 256 gives 5; below 24 it is 1.
    """
    num = 1
    while min(image_shape[:2]) >= _SMALLEST * 2 ** (num + 1):
        num += 1
    return num


def halved(image_shape: Sequence[int], num: int) -> tuple[int, int]:
    """Returns height and width, halved `num` times and rounded up."""
    height, width, *_ = (-(-side // 2**num) for side in image_shape)
    return height, width


def squares(image_shape: Sequence[int], side: int) -> tuple[int, int]:
    """Returns how many squares of pixels an image has in a column and in a row.

    Raises:
      InputError: if its sides are not multiples of the side of a square.
    """
    height, width = image_shape[:2]
    if height % side or width % side:
        near = "x".join(str(max(1, round(n / side)) * side) for n in (height, width))
        raise InputError(
            f"images of {height} x {width} do not consist of squares of {side} x {side} pixels, "
            f"as this method needs: choose another size, e.g. {near}"
        )
    return height // side, width // side


def cut_middle(maps: tf.Tensor, image_shape: Sequence[int]) -> tf.Tensor:
    """Returns the middle of maps [B, H, W, C]: [B, height, width, C]."""
    height, width = image_shape[:2]
    rows, columns = maps.shape[1] - height, maps.shape[2] - width
    if not (rows or columns):
        return maps
    top, left = rows // 2, columns // 2
    return maps[:, top : top + height, left : left + width]
