"""Noise of the size of images: for measuring speed, where data do not matter."""

from collections.abc import Sequence

import numpy as np

from tf_shortrun.data.dataset import Dataset, Split


def noise_images(shape: Sequence[int], num: int) -> Dataset:
    """`num` images of uniform bytes in each split, [num, *shape], without labels (-1)."""
    rng = np.random.default_rng(0)

    def split() -> Split:
        images = rng.integers(0, 256, (num, *shape), dtype=np.uint8)
        return Split(images, np.full(num, -1, np.int32))

    return Dataset("noise", split(), split())
