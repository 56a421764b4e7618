"""Images decoded in parallel, in bounded memory; those that cannot be read are kept apart."""

import collections
import concurrent.futures
import contextlib
import hashlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import capacity, decoding, disk
from tf_shortrun.data.budget import Budget
from tf_shortrun.data.image_source import Source
from tf_shortrun.data.preparation import Preparation

# Of one image, and of all that are read or decoded at once.
MAX_BYTES = 2**28
MAX_PIXELS = 89_478_485  # above this Pillow warns of decompression bombs
ONE_COLOUR = "of one colour"  # found beside the conversions: such an image may be empty


class Loaded(NamedTuple):
    """Images of a source.

    pixels: uint8 [N, H, W, C], those that were read, in order; a memory map if they are many.
    unreadable: place among all images -> why the image cannot be read.
    converted: kind of conversion -> the places of these images.
    """

    pixels: np.ndarray
    unreadable: dict[int, str]
    converted: dict[str, list[int]]


def load(
    source: Source,
    names: Sequence[str],
    preparation: Preparation,
    judge: Callable[[dict[int, str]], None] = lambda _: None,
) -> Loaded:
    """Reads, decodes and prepares the images of these names.

    Args:
      judge: gets the unreadable images, and may raise; nothing is kept on disk then.

    Raises:
      InputError: if the images fit neither into memory nor on the disk.
    """
    shape = (len(names), *preparation.shape)

    def make(pixels: np.ndarray) -> dict:
        unreadable, converted = _fill(pixels, source, names, preparation)
        judge(unreadable)
        _close_gaps(pixels, unreadable)
        return {"unreadable": list(unreadable.items()), "converted": converted}

    if capacity.fits(shape):
        pixels = np.empty(shape, np.uint8)
        facts = make(pixels)
    else:
        pixels, facts = disk.once(_key(source, names, preparation), shape, str(source.path), make)
    unreadable = dict(facts["unreadable"])
    return Loaded(pixels[: len(names) - len(unreadable)], unreadable, facts["converted"])


def _fill(
    pixels: np.ndarray, source: Source, names: Sequence[str], preparation: Preparation
) -> tuple[dict[int, str], dict[str, list[int]]]:
    """Fills the rows of images that can be read; returns the other ones, and what was converted."""
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
        return converted + [ONE_COLOUR] * bool(is_flat), None

    unreadable: dict[int, str] = {}
    found: dict[str, list[int]] = collections.defaultdict(list)
    with no_warnings_of_pillow(), concurrent.futures.ThreadPoolExecutor() as pool:
        for place, (converted, reason) in enumerate(pool.map(fill, range(len(names)))):
            for kind in converted:
                found[kind].append(place)
            if reason:
                unreadable[place] = reason
    return unreadable, dict(sorted(found.items()))


def _close_gaps(pixels: np.ndarray, unreadable: dict[int, str]) -> None:
    """Moves the rows that were read to the front, without a copy of all."""
    places = np.delete(np.arange(len(pixels)), list(unreadable))
    for place, before in enumerate(places):
        if place < before:
            pixels[place] = pixels[before]


def _key(source: Source, names: Sequence[str], preparation: Preparation) -> str:
    """Returns hexadecimal digits that change with any file and with how it is prepared."""
    key = hashlib.sha256(repr((str(source.path.resolve()), preparation.describe())).encode())
    for name in names:
        try:
            stamp = source.size(name), source.stamp(name)
        except OSError:  # such as a link to nothing
            stamp = (0, 0)
        key.update(repr((name, stamp)).encode("utf-8", "surrogateescape"))
    return key.hexdigest()[:16]


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
        with Budget(MAX_BYTES, "bytes").take(file.stat().st_size), no_warnings_of_pillow():
            image = decoding.header(file.read_bytes())
            with Budget(MAX_PIXELS, "pixels").take(image.width * image.height):
                return np.asarray(decoding.decode(image, 1, 255)[0])
    except decoding.UNREADABLE as error:
        raise InputError(f"{path} cannot be read: {decoding.reason(error)}") from error


@contextlib.contextmanager
def no_warnings_of_pillow() -> Iterator[None]:
    """Silences them, because they name no file; what cannot be read is named later."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield
