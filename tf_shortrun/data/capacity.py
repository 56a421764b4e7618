"""Arrays of images: in memory where they take a small part of it."""

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.memory import of_machine

SHARE = 0.5  # of the memory, for images and the copy of them that TensorFlow makes


def num_bytes(shape: tuple[int, ...]) -> int:
    """Returns the bytes of images uint8 [N, H, W, C]."""
    num, height, width, channels = map(int, shape)
    return num * height * width * channels


def fits(shape: tuple[int, ...]) -> bool:
    """Returns whether images of this shape leave most of the memory to the model."""
    return 2 * num_bytes(shape) <= SHARE * of_machine()


def images(shape: tuple[int, ...], name: str) -> np.ndarray:
    """Returns an array for the images of a data set, uint8 [N, H, W, C], without values.

    Raises:
      InputError: if the array and the copy of it that TensorFlow makes exceed the memory.
    """
    needed = 2 * num_bytes(shape)
    if needed > of_machine():
        num, height, width, channels = map(int, shape)
        raise InputError(
            f"{name}: {num} images of {height} x {width} x {channels} need "
            f"{needed / 2**30:,.1f} GiB, this machine has {of_machine() / 2**30:,.1f}: "
            "choose a smaller size or fewer images"
        )
    return np.empty(shape, np.uint8)
