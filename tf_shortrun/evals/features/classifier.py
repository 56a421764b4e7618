"""A classifier trained on the data set, whose features replace those of Inception.

The features are the last hidden layer of a small convolutional classifier, which is
trained on the training split. Without labels, it learns the number of quarter turns by
which an image was rotated (Gidaris et al. 2018). The network has no batch statistics, so
the features of an image do not depend on its neighbours. Large images can be made small first.

References: S. Gidaris, P. Singh, N. Komodakis, Unsupervised representation
learning by predicting image rotations, ICLR 2018.
"""

import functools
import logging
import pathlib
from typing import NamedTuple

import keras

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features import cache
from tf_shortrun.evals.features import classifier_training as training
from tf_shortrun.evals.features.extractor import Extractor
from tf_shortrun.evals.features.shrink import small_shape

_LOG = logging.getLogger(__name__)


class Trained(NamedTuple):
    """A trained classifier.

    name: `<data set>_classifier`, or `<data set>_rotation_classifier` if there are no labels.
    accuracy: share of the test split that is classified correctly.
    network: images [B, H, W, C] in [-1, 1], already small, -> logits [B, number of classes].
    """

    name: str
    accuracy: float
    network: keras.Model


def load_or_train(
    dataset: Dataset,
    num_steps: int,
    seed: int,
    cache_dir: str | None = None,
    largest_side: int | None = None,
) -> Trained:
    """Returns a classifier trained for `num_steps` batches of 128 images.

    With `largest_side`, images become squares of at most this side, see `shrink.py`. The first call
    trains it; later calls read it from the cache folder (`cache_dir`, else the environment variable
    TF_SHORTRUN_CACHE, else ~/.cache/tf_shortrun).

    Raises:
      InputError: if the observations are not images, or are neither labelled nor
        square; if `num_steps` is less than 1; if the cache cannot be written.
    """
    shape = _check(dataset, num_steps, largest_side)
    name, network = _name(dataset), training.make_network(dataset, shape, seed)
    path = _path(dataset, network, num_steps, seed, cache_dir)
    kept = cache.load(path)
    if kept is None:
        cache.check(path)
        _LOG.info("Training %s for %d steps, cache file %s", name, num_steps, path)
        kept = training.fit(network, dataset, num_steps, seed)
        cache.save(path, kept)
        _LOG.info("%s has test accuracy %.4f", name, kept[0])
    accuracy, *weights = kept
    network.set_weights(weights)
    return Trained(name, float(accuracy), network)


def classifier(
    dataset: Dataset,
    num_steps: int,
    seed: int,
    cache_dir: str | None = None,
    largest_side: int | None = None,
) -> Extractor:
    """Returns the features of a classifier, which is trained when they are first computed.

    Arguments and errors are as in `load_or_train`.
    """
    check_trainable(dataset, num_steps, seed, cache_dir, largest_side)
    shape = small_shape(dataset.image_shape, largest_side)
    how = f"images resized to {shape[0]} x {shape[1]}, " * (shape != dataset.image_shape)

    settings = (dataset, num_steps, seed, cache_dir, largest_side)
    trained = functools.cache(lambda: load_or_train(*settings))
    layer = functools.partial(training.last_hidden_layer, image_shape=dataset.image_shape)
    features = functools.cache(lambda: layer(trained().network))

    def describe() -> str:
        return (
            f"trained here, {how}{num_steps} steps, seed {seed}, test accuracy "
            f"{trained().accuracy:.4f}; comparable only with numbers of the same extractor"
        )

    return Extractor(_name(dataset), describe, lambda images: features()(images))


def check_trainable(
    dataset: Dataset,
    num_steps: int,
    seed: int,
    cache_dir: str | None = None,
    largest_side: int | None = None,
) -> None:
    """Raises InputError as `load_or_train` does, but trains nothing."""
    shape = _check(dataset, num_steps, largest_side)
    network = training.make_network(dataset, shape, seed)
    cache.check(_path(dataset, network, num_steps, seed, cache_dir))


def _check(dataset: Dataset, num_steps: int, largest_side: int | None) -> tuple[int, ...]:
    """Returns the shape of the images that the classifier gets."""
    if len(dataset.image_shape) != 3:
        raise InputError(
            f"{dataset.name} has observations of shape {dataset.image_shape}: "
            "classifier needs images (H, W, C)"
        )
    shape = small_shape(dataset.image_shape, largest_side)
    if min(shape) < 1:
        raise InputError("classifier.largest_side is below 1: choose e.g. 32")
    if shape[0] != shape[1] and not training.is_labelled(dataset):
        raise InputError(
            f"{dataset.name} has no labels and images of {shape[0]} x {shape[1]}: crop them "
            "square, or bind classifier.largest_side"
        )
    if num_steps < 1:
        raise InputError(f"classifier.num_steps is {num_steps}: choose a number from 1 on")
    return shape


def _name(dataset: Dataset) -> str:
    return f"{dataset.name}_{'' if training.is_labelled(dataset) else 'rotation_'}classifier"


def _path(
    dataset: Dataset, network: keras.Model, num_steps: int, seed: int, cache_dir: str | None
) -> pathlib.Path:
    file = f"{_name(dataset)}_{_fingerprint(dataset, network, num_steps, seed)}.npz"
    return cache.folder(cache_dir) / file


def _fingerprint(dataset: Dataset, network: keras.Model, num_steps: int, seed: int) -> str:
    shapes = [w.shape for w in network.weights]
    if network.input_shape[1:] != dataset.image_shape:
        shapes.append(network.input_shape)
    settings = (num_steps, seed, *training.SETTINGS, shapes)
    return cache.fingerprint([*dataset.train, *dataset.test], settings)
