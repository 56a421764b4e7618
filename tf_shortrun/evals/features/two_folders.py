"""Distances between two folders or zip files of images, whoever made them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import crops, oddities, survey
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.image_source import Source, open_source
from tf_shortrun.data.loading import load
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.evals.features.classifier import classifier
from tf_shortrun.evals.features.extractor import Extractor, extract_split
from tf_shortrun.evals.features.inception import inception2015
from tf_shortrun.evals.features.quality import compare

_BATCH_SIZE = 50  # which bounds the memory
_SEED = 0  # of the choice of images, and of the subsets of KID
_LEAST = 4  # three neighbours, and the image itself


def _classifier(dataset: Dataset) -> Extractor:
    """Returns that of `gin/own_images.gin`, trained on the first folder."""
    return classifier(dataset, num_steps=1000, seed=0, largest_side=64)


EXTRACTORS = {"inception2015": inception2015, "classifier": _classifier}


class Comparison(NamedTuple):
    """How far the images of a second folder are from those of a first.

    counts: of the images that were compared, first and second.
    shape: (H, W, C) of all of them.
    values: frechet, kid, precision, recall and told; the first folder is the data.
    """

    counts: tuple[int, int]
    shape: tuple[int, ...]
    extractor: Extractor
    values: dict[str, float]


def between(
    data: str,
    samples: str,
    size: tuple[int, int] | None = None,
    num: int | None = None,
    extractor: str = "inception2015",
) -> Comparison:
    """Compares the images under `samples` with those under `data`, folders or zip files.

    Args:
      size: (height, width), to which images are cropped and resized as for training; None if all
        images of both have one size, which is kept.
      num: images of each, drawn at random by a fixed seed; None for all.
      extractor: a name of `EXTRACTORS`. The classifier is trained on `data`.

    Raises:
      InputError: if an image cannot be read, or has another size than the first and no size is
        given; if there are fewer than `num` or than 4 images; as the extractor does.
    """
    preparation = _preparation(data, size)
    first, second = (_read(path, preparation, num) for path in (data, samples))
    no_labels = (np.full(len(images), -1, np.int32) for images in (first, second))
    splits = map(Split, (first, second), no_labels)
    chosen = EXTRACTORS[extractor](Dataset(Path(data).resolve().stem, *splits))
    real, fake = (extract_split(chosen, images, _BATCH_SIZE) for images in (first, second))
    values = compare(real, fake, _SEED)
    return Comparison((len(real), len(fake)), preparation.shape, chosen, values)


def _preparation(data: str, size: tuple[int, int] | None) -> Preparation:
    """Returns what makes colour images of this size, or of the size of the first image."""
    if size:
        return Preparation(*size, 3)
    height, width = survey.look(data).sizes[0]
    return Preparation(height, width, 3, _only(height, width))


def _only(height: int, width: int) -> crops.Crop:
    """Returns the crop that keeps whole images of this size, and refuses others as unreadable."""

    def crop(h: int, w: int) -> crops.Box:
        if (h, w) != (height, width):
            raise ValueError(f"it has {h} x {w} pixels, not {height} x {width}")
        return crops.whole(h, w)

    return crop


def _read(path: str, preparation: Preparation, num: int | None) -> np.ndarray:
    """Returns the images under `path`, uint8 [N, H, W, 3]."""
    source = open_source(path)
    names = _choose(source, num)

    def judge(bad: dict[int, str]):
        if bad:
            line = oddities.unread(source, names, bad)
            remedy = ", or choose the size of all by --image_size" if preparation.crop else ""
            raise InputError(f"{line}: mend or remove them{remedy}")

    return load(source, names, preparation, judge).pixels


def _choose(source: Source, num: int | None) -> list[str]:
    count = len(source.names)
    if not _LEAST <= (count if num is None else num) <= count:
        asked = "" if num is None else f", and --num asks for {num}"
        raise InputError(
            f"{source.path} holds {count} images{asked}: "
            f"distances need at least {_LEAST} of each, and no more than there are"
        )
    if num is None:
        return list(source.names)
    places = np.random.default_rng(_SEED).choice(count, num, replace=False)
    return [source.names[place] for place in sorted(places)]
