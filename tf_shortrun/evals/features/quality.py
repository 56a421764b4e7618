"""An eval of distances between samples and data, in the space of a feature extractor."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import ClassVar, Literal

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features import distances, two_sample
from tf_shortrun.evals.features.extractor import Extractor, check_split, extract, extract_split

_SUBSETS, _SUBSET_SIZE = 100, 1000  # Binkowski et al. 2018
_NEIGHBOURS = 3  # Kynkaanniemi et al. 2019


@dataclasses.dataclass(frozen=True)
class FeatureDistances:
    """An eval of samples against one whole split, by five numbers.

    Frechet distance, KID, precision, recall, and how well a linear classifier tells samples from
    data (`told`).

    extractor: a function of a data set that returns an extractor. The name of the extractor is
      part of the name of each metric, because different extractors are not comparable.
    num_samples: every distance depends on this number, the Frechet distance most.

    The noise of batch b comes from fold(seed, b), the subsets of KID from
    stream(seed, "subsets").
    """

    metrics: ClassVar = {
        "frechet/*": Metric(
            "lower", "Frechet distance of samples; compare within one extractor only."
        ),
        "kid/*": Metric("lower", "Kernel distance of samples; compare within one extractor only."),
        "precision/*": Metric("higher", "Share of samples that look like data."),
        "recall/*": Metric("higher", "Share of the data that samples look like."),
        "told/*": Metric(
            "lower",
            "Accuracy of a linear classifier in telling samples from data: .5 if it cannot; near 1 "
            "something in every sample gives it away.",
        ),
    }

    extractor: Callable[..., Extractor]
    num_samples: int
    batch_size: int
    reference: Literal["train", "test"] = "test"

    def __post_init__(self):
        check_counts(self, num_samples=_NEIGHBOURS + 1)

    def check(self, learner: Learner, dataset: Dataset):
        del learner
        self._prepare(dataset)

    def _prepare(self, dataset: Dataset) -> Extractor:
        """Returns the extractor; raises InputError if it or the split does not allow distances."""
        images = getattr(dataset, self.reference).images
        if len(images) <= _NEIGHBOURS:
            raise InputError(
                f"FeatureDistances needs at least {_NEIGHBOURS + 1} {self.reference} images, and "
                f"{dataset.name} has {len(images)}: choose the other reference, or take it out"
            )
        extractor = self.extractor(dataset)
        check_split(extractor, images)
        return extractor

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        extractor = self._prepare(dataset)
        real = extract_split(extractor, getattr(dataset, self.reference).images, self.batch_size)
        fake = extract(extractor, self._sample_batches(learner, seed))[: self.num_samples]
        values = compare(real, fake, int(noise.stream(seed, "subsets")[0]) % 2**31)
        return {f"{name}/{extractor.name}": value for name, value in values.items()}

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns a sentence on how each number was measured, by name."""
        extractor, num = self.extractor(dataset), len(getattr(dataset, self.reference).images)
        made = (
            f"of {self.num_samples} samples against all {num} {self.reference} images of "
            f"{dataset.name}, in the features of {extractor.name} ({extractor.describe()})."
        )
        return {
            f"{name}/{extractor.name}": f"{title} {made}"
            for name, title in {
                "frechet": "Squared Frechet distance",
                "kid": f"Kernel distance ({_SUBSETS} subsets of at most {_SUBSET_SIZE})",
                "precision": f"Improved precision (k = {_NEIGHBOURS})",
                "recall": f"Improved recall (k = {_NEIGHBOURS})",
                "told": f"Accuracy of logistic regression on at most {two_sample.MOST} others",
            }.items()
        }

    def _sample_batches(self, learner: Learner, seed: Seed) -> Iterator[tf.Tensor]:
        """Yields full batches of samples, at least `num_samples` in total."""
        sample = tf.function(lambda batch_seed: learner.sample(self.batch_size, batch_seed))
        for b in range(math.ceil(self.num_samples / self.batch_size)):
            yield sample(noise.fold(seed, b))


def compare(real: np.ndarray, fake: np.ndarray, seed: int) -> dict[str, float]:
    """Returns all distances of features `fake` [M, F] from features `real` [N, F]."""
    precision, recall = distances.precision_recall(real, fake, _NEIGHBOURS)
    return {
        "frechet": distances.frechet(*distances.moments(real), *distances.moments(fake)),
        "kid": distances.kid(real, fake, _SUBSETS, _SUBSET_SIZE, seed),
        "precision": precision,
        "recall": recall,
        "told": two_sample.accuracy(real, fake),
    }
