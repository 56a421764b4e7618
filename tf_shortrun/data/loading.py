"""Images decoded in parallel, in bounded memory; those that cannot be read are kept apart."""

import collections
import concurrent.futures
import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tf_shortrun.data import capacity, crops, decoding
from tf_shortrun.data.budget import Budget
from tf_shortrun.data.image_source import Source

# Of one image, and of all that are read or decoded at once.
MAX_BYTES = 2**28
MAX_PIXELS = 89_478_485  # above this Pillow warns of decompression bombs


class Loaded(NamedTuple):
    """Images of a source.

    pixels: uint8 [N, H, W, C], without values where an image cannot be read.
    unreadable: place -> why the image cannot be read.
    converted: kind of conversion -> number of images.
    """

    pixels: np.ndarray
    unreadable: dict[int, str]
    converted: collections.Counter


def load(
    source: Source,
    names: Sequence[str],
    size: int,
    channels: int,
    crop: crops.Crop,
    background: int,
) -> Loaded:
    """Reads, decodes, crops and resizes the images of these names to [size, size, channels].

    Raises:
      InputError: if the result exceeds the memory of this machine.
    """
    pixels = capacity.images((len(names), size, size, channels), str(source.path))
    all_bytes, all_pixels = Budget(MAX_BYTES, "bytes"), Budget(MAX_PIXELS, "pixels")

    def fill(place) -> tuple[list[str], str | None]:
        """Returns what was converted, and why the image cannot be read."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(all_bytes.take(source.size(names[place])))
                image = decoding.header(source.read(names[place]))
                # Pixels are always taken after bytes, so no two threads wait for each other.
                held.enter_context(all_pixels.take(image.width * image.height))
                image, converted = decoding.decode(image, channels, background)
            except decoding.UNREADABLE as error:
                return [], decoding.reason(error)
            image = crops.crop_and_resize(image, crop(image.height, image.width), size)
        pixels[place] = np.asarray(image).reshape(size, size, channels)
        is_flat = size > 1 and (pixels[place] == pixels[place, 0, 0]).all()
        return converted + ["of one colour"] * bool(is_flat), None

    loaded = Loaded(pixels, {}, collections.Counter())
    with _no_warnings_of_pillow(), concurrent.futures.ThreadPoolExecutor() as pool:
        for place, (converted, reason) in enumerate(pool.map(fill, range(len(names)))):
            loaded.converted.update(converted)
            if reason:
                loaded.unreadable[place] = reason
    return loaded


@contextlib.contextmanager
def _no_warnings_of_pillow() -> Iterator[None]:
    """Silences them, because they name no file; what cannot be read is named later."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield
