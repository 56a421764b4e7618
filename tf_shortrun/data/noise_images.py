"""Images of noise, to measure speed where the contents of images do not matter."""

from collections.abc import Sequence

import numpy as np

from tf_shortrun.data.dataset import Dataset, Split


def noise_images(shape: Sequence[int], num: int) -> Dataset:
    """Draws `num` images of uniform bytes for each split, [num, *shape], without labels (-1)."""
    rng = np.random.default_rng(0)

    def split() -> Split:
        images = rng.integers(0, 256, (num, *shape), dtype=np.uint8)
        return Split(images, np.full(num, -1, np.int32))

    return Dataset("noise", split(), split())
