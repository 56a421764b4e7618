"""Arrays of images that fit the memory of this machine."""

import os

import numpy as np

from tf_shortrun.core.errors import InputError


def images(shape: tuple[int, ...], name: str) -> np.ndarray:
    """Returns an array for the images of a data set, uint8 [N, H, W, C], without values.

    Raises:
      InputError: if the array and the copy of it that TensorFlow makes exceed the memory.
    """
    num, height, width, channels = map(int, shape)
    needed = 2 * num * height * width * channels
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory:
        raise InputError(
            f"{name}: {num} images of {height} x {width} x {channels} need "
            f"{needed / 2**30:,.1f} GiB, this machine has {memory / 2**30:,.1f}: "
            "choose a smaller size or fewer images"
        )
    return np.empty([num, height, width, channels], np.uint8)
