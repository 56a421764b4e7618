"""Feature extractors: the space in which sets of images are compared."""

import dataclasses
import logging
import pathlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.arrays import to_float
from tf_shortrun.evals.features import cache

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A named function from images [B, H, W, C] in [-1, 1] to features [B, F].

    name: the part of a metric's name after the slash.
    describe: returns a phrase with what a reader must know before a comparison of numbers. It may
      be slow before features were computed.
    checksum: of everything that the features depend on besides the images. If it is given,
      `extract_split` keeps features on disk, so give it if the function is slow.
    """

    name: str
    describe: Callable[[], str]
    function: Callable[[tf.Tensor], tf.Tensor | np.ndarray]
    checksum: str | None = None

    def __call__(self, images: tf.Tensor) -> tf.Tensor | np.ndarray:
        return self.function(images)


def extract(extractor: Extractor, batches: Iterable[tf.Tensor]) -> np.ndarray:
    """Extracts the features of all images of all batches: float64 [N, F].

    Raises:
      InputError: if a feature is not finite.
    """
    features = np.concatenate([np.asarray(extractor(images), np.float64) for images in batches])
    if not np.all(np.isfinite(features)):
        raise InputError(
            f"features of {extractor.name} are not finite: the images have NaN or infinity, "
            "evaluate an earlier checkpoint"
        )
    return features


def extract_split(extractor: Extractor, images: np.ndarray, batch_size: int) -> np.ndarray:
    """Extracts the features of the images of a split: float64 [N, F].

    images: uint8 [N, H, W, C], or floats in [-1, 1].

    If the extractor has a checksum, the first call writes the features to the cache folder as
    float32, and later calls read them.

    Raises:
      InputError: as in `extract`; if the cache cannot be written.
    """
    batches = _batches(images, batch_size)
    if extractor.checksum is None:
        return extract(extractor, batches)
    path = _path(extractor, images)
    kept = cache.load(path)
    if kept is None:
        _LOG.info("Extracting %s of %d images, cache file %s", extractor.name, len(images), path)
        kept = [extract(extractor, batches).astype(np.float32)]
        cache.save(path, kept)
    return kept[0].astype(np.float64)


def check_split(extractor: Extractor, images: np.ndarray) -> None:
    """Raises InputError if `extract_split` could not write its cache."""
    if extractor.checksum is not None:
        cache.check(_path(extractor, images))


def _path(extractor: Extractor, images: np.ndarray) -> pathlib.Path:
    key = cache.fingerprint([images], [extractor.checksum])
    return cache.folder(None) / f"{extractor.name}_features_{key}.npz"


def _batches(images: np.ndarray, batch_size: int) -> Iterator[tf.Tensor]:
    starts = range(0, len(images), batch_size)
    for first in tqdm(starts, "features", unit="batch", leave=False, disable=None):
        yield to_float(images[first : first + batch_size])
