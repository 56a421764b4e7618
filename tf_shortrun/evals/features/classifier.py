"""A classifier trained on the data set, whose features replace those of Inception.

The features are the last hidden layer of a small convolutional classifier, which is
trained on the training split. Without labels, it learns the number of quarter turns by
which an image was rotated (Gidaris et al. 2018). The network has no batch statistics, so
the features of an image do not depend on its neighbours. Large images can be made small first.

References: S. Gidaris, P. Singh, N. Komodakis, Unsupervised representation
learning by predicting image rotations, ICLR 2018.
"""

import functools
import itertools
import logging
import pathlib
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Batch
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features import cache
from tf_shortrun.evals.features.extractor import Extractor
from tf_shortrun.evals.features.shrink import resized, small_shape

_LOG = logging.getLogger(__name__)

_WIDTHS = (32, 64, 128)  # of the convolutions; further convolutions have the last width
_NUM_FEATURES = 64
_BATCH_SIZE = 128
_LEARNING_RATE = 1e-3
_NUM_TURNS = 4


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
    name, network = _name(dataset), _network(dataset, shape, seed)
    path = _path(dataset, network, num_steps, seed, cache_dir)
    kept = cache.load(path)
    if kept is None:
        cache.check(path)
        _LOG.info("Training %s for %d steps, cache file %s", name, num_steps, path)
        kept = _train(network, dataset, num_steps, seed)
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
    features = functools.cache(lambda: _last_hidden_layer(trained().network, dataset.image_shape))

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
    cache.check(_path(dataset, _network(dataset, shape, seed), num_steps, seed, cache_dir))


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
    if shape[0] != shape[1] and not _is_labelled(dataset):
        raise InputError(
            f"{dataset.name} has no labels and images of {shape[0]} x {shape[1]}: crop them "
            "square, or bind classifier.largest_side"
        )
    if num_steps < 1:
        raise InputError(f"classifier.num_steps is {num_steps}: choose a number from 1 on")
    return shape


def _name(dataset: Dataset) -> str:
    return f"{dataset.name}_{'' if _is_labelled(dataset) else 'rotation_'}classifier"


def _path(
    dataset: Dataset, network: keras.Model, num_steps: int, seed: int, cache_dir: str | None
) -> pathlib.Path:
    file = f"{_name(dataset)}_{_fingerprint(dataset, network, num_steps, seed)}.npz"
    return cache.folder(cache_dir) / file


def _labels(dataset: Dataset) -> np.ndarray:
    return np.concatenate([dataset.train.labels, dataset.test.labels])


def _is_labelled(dataset: Dataset) -> bool:
    return bool(np.min(_labels(dataset)) >= 0)


def _fingerprint(dataset: Dataset, network: keras.Model, num_steps: int, seed: int) -> str:
    shapes = [w.shape for w in network.weights]
    if network.input_shape[1:] != dataset.image_shape:
        shapes.append(network.input_shape)
    settings = (num_steps, seed, _BATCH_SIZE, _LEARNING_RATE, shapes)
    return cache.fingerprint([*dataset.train, *dataset.test], settings)


def _network(dataset: Dataset, shape: tuple[int, ...], seed: int) -> keras.Model:
    """Returns a network: stride-2 convolutions down to at most 4 x 4, a hidden layer, logits."""
    # With its own seeds and precision, training does not depend on global settings.
    seeds = itertools.count(1000 * seed)

    def options(activation):
        initializer = keras.initializers.HeNormal(next(seeds))
        return {"activation": activation, "kernel_initializer": initializer, "dtype": "float32"}

    x = inputs = keras.Input(shape)
    for level in itertools.count():
        if level and max(x.shape[1:3]) <= 4:
            break
        width = _WIDTHS[min(level, len(_WIDTHS) - 1)]
        x = keras.layers.Conv2D(width, 3, 2, padding="same", **options("gelu"))(x)
    x = keras.layers.Flatten(dtype="float32")(x)
    x = keras.layers.Dense(_NUM_FEATURES, **options("gelu"))(x)
    num_classes = 1 + int(np.max(_labels(dataset))) if _is_labelled(dataset) else _NUM_TURNS
    return keras.Model(inputs, keras.layers.Dense(num_classes, **options(None))(x))


def _train(network: keras.Model, dataset: Dataset, num_steps: int, seed: int) -> list[np.ndarray]:
    """Trains the network in place; returns its test accuracy and its weights."""
    task, copies = (_classes, 1) if _is_labelled(dataset) else (_turns, _NUM_TURNS)
    batch_size = min(_BATCH_SIZE // copies, len(dataset.train.images))
    network.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, num_steps)
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=False,  # oneDNN is faster at these sizes
    )
    shape = network.input_shape[1:]

    def prepare(batch):
        return task({**batch, "image": resized(batch["image"], shape)})

    batches = dataset.train_batches(batch_size, seed).map(prepare)
    network.fit(batches, steps_per_epoch=num_steps, shuffle=False, verbose=0)
    accuracy = network.evaluate(dataset.test_batches(batch_size).map(prepare), verbose=0)[1]
    return [np.float64(accuracy), *network.get_weights()]


def _classes(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
    return batch["image"], batch["label"]


def _turns(batch: Batch) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns each image in all four orientations, and the numbers of quarter turns."""
    images = batch["image"]
    turned = [tf.image.rot90(images, k) for k in range(_NUM_TURNS)]
    return tf.concat(turned, 0), tf.repeat(tf.range(_NUM_TURNS), tf.shape(images)[0])


def _last_hidden_layer(network: keras.Model, image_shape: tuple[int, ...]):
    hidden = keras.Model(network.inputs, network.layers[-2].output)

    def features(images):
        return hidden(resized(images, network.input_shape[1:]), training=False)

    signature = [tf.TensorSpec([None, *image_shape], tf.float32)]
    return tf.function(features, input_signature=signature)
