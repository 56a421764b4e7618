"""Images in a folder or in a zip file, of any size and of several formats."""

import logging
import pathlib

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import crops, layout, oddities, splits
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.image_source import Source, open_source, some
from tf_shortrun.data.loading import Loaded, load
from tf_shortrun.data.preparation import Preparation

_LOG = logging.getLogger(__name__)
_MOST_CLASSES = 20  # that are named


def folder(
    path: str,
    size: int | tuple[int, ...],
    channels: int = 3,
    crop: crops.Crop | None = None,
    num_train: int | None = None,
    num_test: int | None = None,
    name: str | None = None,
    unreadable: str = "refuse",
    background: int = 255,
    split: str = "shuffled",
    split_seed: int = 0,
) -> Dataset:
    """Loads all images under `path`, cropped and resized to `size`.

    The size is a side, or (height, width), or (height, width, channels). The crop is by default the
    largest box in the middle that has the shape of the size. Images become grey or coloured
    (`channels` 1 or 3); transparent pixels show the grey value `background`, 16 bits are cut to 8,
    of several frames the first is read, EXIF orientation is respected. What was converted or left
    out is counted in `Dataset.facts`.

    `splits.choose` says what `split`, `split_seed`, `num_train`, `num_test` do: by default a tenth
    of the images, shuffled, is for testing. Subfolders are classes: the label is the place of the
    subfolder in sorted order, -1 without classes, see `layout.py`. A split is sorted by names.

    With `unreadable` 'skip', images that cannot be read are missing in their split; the others,
    their splits and labels are as without them. Images above the limits of `loading` are not read.
    Images that would take too much memory are kept on disk, see `disk.py`.

    Raises:
      InputError: as `open_source`, `splits.choose` and `load`; if images cannot be read (the first
        are named); if a split has no image that can be read.
    """
    if unreadable not in ("refuse", "skip"):
        raise InputError(f"unreadable is {unreadable!r}: choose 'refuse' or 'skip'")
    preparation = Preparation(*_shape(size, channels), crop, background)
    source = open_source(path)
    meaning = layout.read(source.names)
    places = splits.choose(path, meaning, num_train, num_test, split, split_seed)
    chosen = np.concatenate([places.train, places.test])
    names = [source.names[place] for place in chosen]

    def judge(bad: dict[int, str]):
        if bad and unreadable == "refuse":
            line = oddities.unread(source, names, bad)
            raise InputError(f"{line}: mend or remove them, or set unreadable = 'skip'")

    loaded = load(source, names, preparation, judge)
    train, test = _both(path, loaded, meaning.labels[chosen], len(places.train))
    odd = oddities.describe(source, names, loaded)
    _tell(source, f"{len(train.images)} to train on, {len(test.images)} to test", places, odd)
    return Dataset(
        name or pathlib.Path(path).stem,
        train,
        test,
        preparation=preparation,
        facts=_facts(source, meaning, places) | odd,
        classes=meaning.classes,
    )


def _tell(source: Source, numbers: str, places: splits.Places, odd: dict[str, str]) -> None:
    _LOG.info("%s: %s: %s", source.path, numbers, places.rule)
    for what, words in odd.items():
        _LOG.warning("%s: %s: %s", source.path, what.replace("_", " "), words)


def _both(path: str, loaded: Loaded, labels: np.ndarray, num_train: int) -> tuple[Split, Split]:
    """Returns both splits of the images that were read.

    Raises:
      InputError: if one of them has none.
    """
    is_read = np.ones(len(labels), bool)
    is_read[list(loaded.unreadable)] = False
    labels, cut = labels[is_read], int(np.sum(is_read[:num_train]))
    if not 0 < cut < len(labels):
        line = f"{path} has a split without readable images"
        raise InputError(f"{line}: mend or remove them, or enlarge it")
    return Split(loaded.pixels[:cut], labels[:cut]), Split(loaded.pixels[cut:], labels[cut:])


def _facts(source: Source, meaning: layout.Layout, places: splits.Places) -> dict[str, str]:
    """Returns how the images were split, and their classes."""
    test_names = [source.names[place] for place in places.test]
    facts = {"split": places.rule, "test_names": splits.digest(test_names)}
    if meaning.classes:
        facts["classes"] = f"{len(meaning.classes)}: {some(meaning.classes, _MOST_CLASSES)}"
    return facts


def _shape(size: int | tuple[int, ...], channels: int) -> tuple[int, int, int]:
    sides = (size, size) if isinstance(size, int) else size
    if len(sides) not in (2, 3):
        raise InputError(
            f"size is {size}: give a side, (height, width) or (height, width, channels)"
        )
    return tuple([*sides, channels][:3])
