"""What a folder or zip file of images holds, found without decoding more than is needed."""

import collections
import concurrent.futures
import statistics
from typing import NamedTuple

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import decoding, layout, loading
from tf_shortrun.data.budget import Budget
from tf_shortrun.data.image_source import Source, counted, open_source, some

_MOST = 2000  # images that are looked at, at equal distances among the sorted names
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B")
_TURNED = (5, 6, 7, 8)  # EXIF orientations that exchange height and width


class Survey(NamedTuple):
    """What was found.

    num_images, num_seen: all images, and those that were looked at.
    sizes: (height, width) of those that were looked at, as they will be seen.
    modes: mode of Pillow -> number of images.
    unreadable: name -> why it cannot be read; only what its first bytes tell.
    is_grey: whether no image has a colour.
    """

    num_images: int
    num_seen: int
    sizes: list[tuple[int, int]]
    modes: dict[str, int]
    unreadable: dict[str, str]
    is_grey: bool
    left_out: dict[str, int]
    num_classes: int

    @property
    def channels(self) -> int:
        return 1 if self.is_grey else 3

    def describe(self) -> list[str]:
        """Returns lines for a reader."""
        heights, widths = zip(*self.sizes, strict=True)
        seen = f", {self.num_seen:,} looked at" if self.num_seen < self.num_images else ""
        lines = [
            f"{self.num_images:,} images{seen}, {_range(heights)} high, {_range(widths)} wide",
            f"{'grey' if self.is_grey else 'in colour'}: {counted(self.modes)}",
        ]
        if self.num_classes:
            lines.append(f"{self.num_classes} classes")
        if self.unreadable:
            named = [f"{name} ({why})" for name, why in self.unreadable.items()]
            lines.append(f"{len(named)} cannot be read: {some(named, 3)}")
        if self.left_out:
            lines.append(f"{counted(self.left_out)} left out: no images by name")
        return lines


def look(path: str) -> Survey:
    """Looks at the images under `path`.

    Raises:
      InputError: as `open_source` does, or if no image can be read.
    """
    source = open_source(path)
    places = np.unique(np.linspace(0, len(source.names) - 1, _MOST).astype(int))
    names = [source.names[place] for place in places]
    budget = Budget(loading.MAX_BYTES, "bytes")
    with loading.no_warnings_of_pillow(), concurrent.futures.ThreadPoolExecutor() as pool:
        headers = pool.map(lambda name: _header(source, name, budget), names)
        seen = dict(zip(names, headers, strict=True))
        found = {name: known for name, known in seen.items() if isinstance(known, tuple)}
        unreadable = {name: known for name, known in seen.items() if isinstance(known, str)}
        if not found:
            name, why = next(iter(unreadable.items()))
            raise InputError(f"no image in {path} can be read, e.g. {name} ({why}): mend them")
        modes = collections.Counter(mode for _, mode in found.values())
        coloured = [name for name, (_, mode) in found.items() if mode not in _GREY_MODES]
        is_grey = all(_is_grey(source, name) for name in coloured)  # ends at the first colour
    return Survey(
        len(source.names),
        len(names),
        [size for size, _ in found.values()],
        dict(modes.most_common()),
        unreadable,
        is_grey,
        dict(source.left_out),
        len(layout.read(source.names).classes),
    )


def propose(survey: Survey, most: int) -> tuple[int, int]:
    """Returns a height and a width of the usual shape of the images.

    Both are multiples of 8. The smaller side is at least 16, and at most `most` and the median of
    the images; the larger one follows from the median of width / height, at most 256.
    """
    short = statistics.median(min(size) for size in survey.sizes)
    ratio = statistics.median(width / height for height, width in survey.sizes)
    side = max(16, int(min(short, most)) // 8 * 8)
    longer = min(256, 8 * round(side * max(ratio, 1 / ratio) / 8))
    return (side, longer) if ratio > 1 else (longer, side)


def _header(source: Source, name: str, budget: Budget) -> tuple[tuple[int, int], str] | str:
    """Returns ((height, width), mode) of an image, or why it cannot be read."""
    try:
        with budget.take(source.size(name)):
            image = decoding.header(source.read(name))
            height, width = image.height, image.width
            if image.getexif().get(0x0112) in _TURNED:
                height, width = width, height
            Budget(loading.MAX_PIXELS, "pixels").check(height * width)
            return (height, width), image.mode
    except decoding.UNREADABLE as error:
        return decoding.reason(error)


def _is_grey(source: Source, name: str) -> bool:
    try:
        image = decoding.header(source.read(name))
        pixels = np.asarray(decoding.decode(image, 3, 255)[0])
    except decoding.UNREADABLE:
        return True
    return bool((pixels == pixels[..., :1]).all())


def _range(numbers) -> str:
    low, high = min(numbers), max(numbers)
    if low == high:
        return f"{low}"
    return f"{low} to {high} (median {statistics.median_low(numbers)})"
