"""An eval of samples of a given label, and a picture of them."""

import dataclasses
from typing import ClassVar, Literal, cast

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner, SamplesLabels
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features import distances
from tf_shortrun.evals.features.classifier import Trained, check_trainable, load_or_train
from tf_shortrun.evals.features.classifier_training import is_labelled, last_hidden_layer
from tf_shortrun.evals.features.extractor import Extractor, extract, extract_split
from tf_shortrun.evals.features.shrink import resized
from tf_shortrun.evals.pictures.grids import Pictures, compiled
from tf_shortrun.evals.pictures.tiles import check_drawable, grid


@dataclasses.dataclass(frozen=True)
class LabelQuality:
    """An eval of accuracy and Frechet distance of samples of each label, in a classifier's eyes.

        label_accuracy = mean_c P(classifier(sample of c) = c)
        label_frechet  = mean_c Frechet(features of samples of c, features of the images of c)

    and both for every label. A sample of the wrong label counts against both; samples that are all
    alike count against the distance only. A distance depends on the numbers of samples and images.

    num_samples: samples of each label.
    reference: the split whose images the samples are compared with.
    num_steps, classifier_seed: those of the classifier, see `classifier.load_or_train`.
    """

    metrics: ClassVar = {
        "label_accuracy/*": Metric("higher", "Share of samples that have the asked label."),
        "label_frechet/*": Metric(
            "lower", "Frechet distance of samples of a label; compare within one extractor only."
        ),
    }

    num_samples: int
    batch_size: int
    num_steps: int
    classifier_seed: int
    reference: Literal["train", "test"] = "test"

    def __post_init__(self):
        check_counts(self, num_samples=2, classifier_seed=0)

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, SamplesLabels, type(self).__name__)
        if not is_labelled(dataset):
            raise InputError(f"{dataset.name} has examples without a label: leave LabelQuality out")
        check_trainable(dataset, self.num_steps, self.classifier_seed)

    def __call__(self, learner: SamplesLabels, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns the means over labels, and `.../<c>` for each label with at least two images."""
        self.check(cast(Learner, learner), dataset)
        trained, split = self._trained(dataset), getattr(dataset, self.reference)
        layer = last_hidden_layer(trained.network, dataset.image_shape)
        extractor = Extractor(trained.name, str, layer)
        found: dict[str, dict[int, float]] = {"label_accuracy": {}, "label_frechet": {}}
        for label in np.flatnonzero(np.bincount(split.labels) > 1):
            made = self._samples(learner, int(label), noise.fold(seed, label))
            real = extract_split(extractor, split.images[split.labels == label], self.batch_size)
            fake = distances.moments(extract(extractor, made))
            found["label_accuracy"][label] = _accuracy(trained, made, label)
            found["label_frechet"][label] = distances.frechet(*distances.moments(real), *fake)
        values = {}
        for name, each in found.items():
            values[f"{name}/{trained.name}"] = float(np.mean(list(each.values())))
            values |= {f"{name}/{trained.name}/{label}": each[label] for label in each}
        return values

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence for each mean: how it was measured."""
        trained = self._trained(dataset)
        name, of = trained.name, f"{self.num_samples} samples of each label"
        return {
            f"label_accuracy/{name}": f"Share of {of} that {name} recognises, mean over labels; "
            f"its accuracy on test images is {trained.accuracy:.4f}.",
            f"label_frechet/{name}": f"Squared Frechet distance of {of} from the {self.reference} "
            f"images of this label, in the features of {name}, mean over labels.",
        }

    def _trained(self, dataset: Dataset) -> Trained:
        return load_or_train(dataset, self.num_steps, self.classifier_seed)

    def _samples(self, learner: SamplesLabels, label: int, seed: Seed) -> list[tf.Tensor]:
        """Returns batches of samples, `num_samples` in total."""
        sizes = [len(part) for part in np.array_split(np.zeros(self.num_samples), self._num_parts)]
        return [
            compiled(learner.sample_of)(tf.fill([size], label), noise.fold(seed, b))
            for b, size in enumerate(sizes)
        ]

    @property
    def _num_parts(self) -> int:
        return -(-self.num_samples // self.batch_size)


@dataclasses.dataclass(frozen=True)
class LabelGrid:
    """A picture `labels`: a row of `columns` samples for each label."""

    captions: ClassVar = {"labels": "Samples of one label in each row, from fresh noise."}

    columns: int
    __post_init__ = check_counts

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, SamplesLabels, "LabelGrid")
        check_drawable(dataset.image_shape)

    def __call__(self, learner: SamplesLabels, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(cast(Learner, learner), dataset)
        labels = tf.repeat(tf.range(len(learner.label_counts())), self.columns)
        return {"labels": grid(compiled(learner.sample_of)(labels, seed), self.columns)}


def _accuracy(trained: Trained, batches: list[tf.Tensor], label: int) -> float:
    shape = trained.network.input_shape[1:]
    logits = [trained.network(resized(images, shape), training=False) for images in batches]
    return float(np.mean(np.argmax(np.concatenate(logits), axis=1) == label))
