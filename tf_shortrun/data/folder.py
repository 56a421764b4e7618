"""Images in a folder or in a zip file, of any size and of several formats."""

import logging
import pathlib
from collections.abc import Sequence

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import crops
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.image_source import Source, open_source, some
from tf_shortrun.data.loading import Loaded, load
from tf_shortrun.data.preparation import Preparation

_LOG = logging.getLogger(__name__)


def folder(
    path: str,
    size: int | tuple[int, int],
    channels: int = 3,
    crop: crops.Crop | None = None,
    num_train: int | None = None,
    num_test: int | None = None,
    name: str | None = None,
    unreadable: str = "refuse",
    background: int = 255,
) -> Dataset:
    """Loads all images under `path`, cropped and resized to `size`: a side, or (height, width).

    The crop is by default the largest box in the middle that has the shape of `size`.
    Images are sorted by name. The first `num_train` images (default: all images that are
    not in the test split) are the training split, the last `num_test` images (default: a
    tenth, at least one) the test split. If all images are in subfolders of `path`, and there
    are at least two subfolders, the label is the place of the subfolder in sorted order;
    else it is -1. Hidden files are left out. Images become grey or coloured (`channels` 1 or
    3); where they are transparent they show the grey value `background`, 16 bits are cut to 8,
    of several frames the first is read, EXIF orientation is respected. What was converted is
    counted in one line of the log.

    With `unreadable` 'skip', images that cannot be read are counted in one line of the log and
    are missing in their split; the other images, their splits and labels are as without them.
    An image is not read if it exceeds the constants of `loading`, in bytes or in pixels.

    Raises:
      InputError: if `path` is missing or empty, is neither a folder nor a zip file, has a folder
        that cannot be listed, is encrypted, has an entry twice or has no images, if images cannot
        be read (the first are named), if splits are empty or overlap, or if `size` is too large.
    """
    if unreadable not in ("refuse", "skip"):
        raise InputError(f"unreadable is {unreadable!r}: choose 'refuse' or 'skip'")
    height, width = (size, size) if isinstance(size, int) else size
    preparation = Preparation(height, width, channels, crop, background)
    source = open_source(path)
    total = len(source.names)
    num_train, num_test = _counts(path, total, num_train, num_test)
    chosen = np.r_[:num_train, total - num_test : total]
    names = [source.names[place] for place in chosen]
    loaded = load(source, names, preparation)
    is_read = _judge(source, names, loaded, unreadable)
    labels = _labels(source.names)[chosen]
    train = _split(loaded.pixels[:num_train], labels[:num_train], is_read[:num_train])
    test = _split(loaded.pixels[num_train:], labels[num_train:], is_read[num_train:])
    if not len(train.images) or not len(test.images):
        raise InputError(
            f"{path} has a split without readable images: mend or remove them, or enlarge it"
        )
    return Dataset(name or pathlib.Path(path).stem, train, test, preparation=preparation)


def _counts(path, total: int, num_train: int | None, num_test: int | None) -> tuple[int, int]:
    num_test = max(1, total // 10) if num_test is None else num_test
    num_train = total - num_test if num_train is None else num_train
    if min(num_train, num_test) < 1 or num_train + num_test > total:
        raise InputError(
            f"{path} holds {total} images: num_train {num_train} and num_test {num_test} "
            f"must be positive and sum to at most {total}"
        )
    return num_train, num_test


def _judge(source: Source, names: Sequence[str], loaded: Loaded, unreadable: str) -> np.ndarray:
    """Returns which images were read, bool [N], after a line for others and for converted ones."""
    kinds = [f"{count} {kind}" for kind, count in sorted(loaded.converted.items())]
    if kinds:
        _LOG.warning("%s: of %d images, %s", source.path, len(names), ", ".join(kinds))
    if loaded.unreadable:
        line = _unread(source, names, loaded.unreadable)
        if unreadable == "refuse":
            raise InputError(f"{line}: mend or remove them, or set unreadable = 'skip'")
        _LOG.warning("%s: skipped %d of %d images", line, len(loaded.unreadable), len(names))
    is_read = np.ones(len(names), bool)
    is_read[list(loaded.unreadable)] = False
    return is_read


def _unread(source: Source, names: Sequence[str], unreadable: dict[int, str]) -> str:
    """Returns a line with the number of unreadable images, the first names and the reasons."""
    first, *others = unreadable
    line = f"cannot read {some([names[first]])} in {source.path} ({unreadable[first]})"
    if others:
        rest = [f"{names[place]} ({unreadable[place]})" for place in others]
        line += f" and {len(others)} more of {len(names)} images: {some(rest, 4)}"
    return line


def _split(images: np.ndarray, labels: np.ndarray, is_read: np.ndarray) -> Split:
    # Without a copy if all were read.
    return Split(images, labels) if is_read.all() else Split(images[is_read], labels[is_read])


def _labels(names: Sequence[str]) -> np.ndarray:
    """Returns labels, int32 [N]: the place of the first-level subfolder, or -1."""
    folders = [name.rpartition("/")[0].split("/")[0] for name in names]
    classes = sorted(set(folders))
    if len(classes) < 2 or "" in classes:
        return np.full(len(names), -1, np.int32)
    return np.searchsorted(classes, folders).astype(np.int32)
