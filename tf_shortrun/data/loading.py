"""Images decoded in parallel, in bounded memory; those that cannot be read are kept apart."""

import collections
import concurrent.futures
import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import capacity, decoding
from tf_shortrun.data.budget import Budget
from tf_shortrun.data.image_source import Source
from tf_shortrun.data.preparation import Preparation

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
    preparation: Preparation,
) -> Loaded:
    """Reads, decodes and prepares the images of these names.

    Raises:
      InputError: if the result exceeds the memory of this machine.
    """
    pixels = capacity.images((len(names), *preparation.shape), str(source.path))
    all_bytes, all_pixels = Budget(MAX_BYTES, "bytes"), Budget(MAX_PIXELS, "pixels")

    def fill(place) -> tuple[list[str], str | None]:
        """Returns what was converted, and why the image cannot be read."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(all_bytes.take(source.size(names[place])))
                image = decoding.header(source.read(names[place]))
                # Pixels are always taken after bytes, so no two threads wait for each other.
                held.enter_context(all_pixels.take(image.width * image.height))
                pixels[place], converted = preparation(image)
            except decoding.UNREADABLE as error:
                return [], decoding.reason(error)
        is_flat = pixels[place, ..., 0].size > 1 and (pixels[place] == pixels[place, 0, 0]).all()
        return converted + ["of one colour"] * bool(is_flat), None

    loaded = Loaded(pixels, {}, collections.Counter())
    with _no_warnings_of_pillow(), concurrent.futures.ThreadPoolExecutor() as pool:
        for place, (converted, reason) in enumerate(pool.map(fill, range(len(names)))):
            loaded.converted.update(converted)
            if reason:
                loaded.unreadable[place] = reason
    return loaded


def is_picture(path: str) -> bool:
    """Returns whether this is the path of a file whose name ends like that of an image."""
    return path.lower().endswith(decoding.ENDINGS) and not Path(path).is_dir()


def read_one(path: str) -> np.ndarray:
    """Returns the grey pixels of one picture as it is: uint8 [H, W].

    Raises:
      InputError: if it cannot be read.
    """
    try:
        file = Path(path)
        with Budget(MAX_BYTES, "bytes").take(file.stat().st_size), _no_warnings_of_pillow():
            image = decoding.header(file.read_bytes())
            with Budget(MAX_PIXELS, "pixels").take(image.width * image.height):
                return np.asarray(decoding.decode(image, 1, 255)[0])
    except decoding.UNREADABLE as error:
        raise InputError(f"{path} cannot be read: {decoding.reason(error)}") from error


@contextlib.contextmanager
def _no_warnings_of_pillow() -> Iterator[None]:
    """Silences them, because they name no file; what cannot be read is named later."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield
