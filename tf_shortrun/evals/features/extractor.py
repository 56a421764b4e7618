"""Feature extractors: the space in which sets of images are compared."""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
import tensorflow as tf

from tf_shortrun.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A named function from images [B, H, W, C] in [-1, 1] to features [B, F].

    name: the part of a metric's name after the slash.
    description: a phrase with what a reader must know before a comparison of numbers.
    """

    name: str
    description: str
    function: Callable[[tf.Tensor], tf.Tensor | np.ndarray]

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
