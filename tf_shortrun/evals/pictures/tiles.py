"""Images as the tiles of one picture."""

import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_shortrun.core.errors import InputError

_MIN_SIDE, _SEPARATOR, _GREY = 32, 2, 128  # pixels, pixels, level


def check_drawable(shape: tuple[int, ...]) -> None:
    """Raises InputError if observations of this shape are not grey or colour images."""
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise InputError(
            f"only images can be drawn, not observations of shape {tuple(shape)}: "
            "remove this picture from the pictures"
        )


def grid(images: tf.Tensor, columns: int) -> np.ndarray:
    """Draws images [N, H, W, C] in [-1, 1] as one picture, row by row: uint8 [., ., 3].

    Small images are enlarged by an integer factor to tiles of at least 32 pixels.

    Raises:
      InputError: if the observations are not grey or colour images.
    """
    images = np.asarray(images)
    check_drawable(images.shape[1:])
    pixels = np.round((np.clip(images, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)
    scale = -(-_MIN_SIDE // min(images.shape[1:3]))
    tiles = np.repeat(np.repeat(pixels, scale, 1), scale, 2)
    tiles = np.repeat(tiles, 3 // tiles.shape[-1], -1)
    blank, gap = (0, -len(tiles) % columns), (0, _SEPARATOR)
    tiles = np.pad(tiles, (blank, gap, gap, (0, 0)), constant_values=_GREY)
    _, height, width, _ = tiles.shape
    rows = tiles.reshape(-1, columns, height, width, 3).swapaxes(1, 2)
    picture = rows.reshape(-1, columns * width, 3)
    return np.pad(picture, (gap[::-1], gap[::-1], (0, 0)), constant_values=_GREY)


def stack(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks pictures of equal width, one below the other with a band between them."""
    gap = ((0, 4 * _SEPARATOR), (0, 0), (0, 0))
    above = [np.pad(block, gap, constant_values=_GREY) for block in blocks[:-1]]
    return np.concatenate([*above, blocks[-1]])


def write_png(path: pathlib.Path | str, picture: np.ndarray) -> None:
    """Writes uint8 [H, W, 3] as a PNG file."""
    Image.fromarray(picture).save(path, format="PNG")
