"""What the folders of images mean: some wrap everything, some are splits, some are classes.

photos.zip/holiday/train/cats/1.png      holiday wraps, train is a split, cats is a class
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

TRAIN = ("train", "training")
TEST = ("test", "testing"), ("val", "valid", "validation")  # the first kind that is there counts

Folders = list[tuple[str, ...]]


class Layout(NamedTuple):
    """The meaning of the folders of N images.

    splits: which images are in a folder for training and which in one for testing, bool [N] each;
      None if there are no such folders.
    labels: int32 [N], the place of the class in `classes`, -1 for none.
    classes: sorted names of the folders that are classes.
    """

    splits: tuple[np.ndarray, np.ndarray] | None
    labels: np.ndarray
    classes: list[str]


def read(names: Sequence[str]) -> Layout:
    """Returns what the folders of the images with these relative names mean.

    A folder that holds all images means nothing. Below such folders, `train` and `test` (or `val`)
    are splits if both are there. Then the first folders are classes, if there are two at least and
    each image of the splits is in one.
    """
    folders = _unwrapped([tuple(name.split("/")[:-1]) for name in names])
    heads = [(inside or ("",))[0].lower() for inside in folders]
    for_testing = next((kind for kind in TEST if {*kind} & {*heads}), ())
    if not ({*TRAIN} & {*heads} and for_testing):
        labels, classes = _classes(folders)
        return Layout(None, labels, classes)
    train, test = np.isin(heads, TRAIN), np.isin(heads, for_testing)
    used = np.flatnonzero(train | test)
    labels = np.full(len(names), -1, np.int32)
    labels[used], classes = _classes(_unwrapped([folders[place][1:] for place in used]))
    return Layout((train, test), labels, classes)


def _unwrapped(folders: Folders) -> Folders:
    """Returns the folders without the first ones that are the same for all images."""
    while all(folders) and len({inside[0] for inside in folders}) == 1:
        folders = [inside[1:] for inside in folders]
    return folders


def _classes(folders: Folders) -> tuple[np.ndarray, list[str]]:
    heads = [(inside or ("",))[0] for inside in folders]
    classes = sorted({*heads})
    if len(classes) < 2 or "" in classes:
        return np.full(len(folders), -1, np.int32), []
    return np.searchsorted(classes, heads).astype(np.int32), classes
