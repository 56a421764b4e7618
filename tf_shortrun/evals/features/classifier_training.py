"""The network of a classifier whose hidden layer gives features, and its training."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core.shapes import Batch
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features.shrink import resized

_WIDTHS = (32, 64, 128)  # of the convolutions; further convolutions have the last width
_NUM_FEATURES = 64
_BATCH_SIZE = 128
_LEARNING_RATE = 1e-3
_NUM_TURNS = 4
SETTINGS = (_BATCH_SIZE, _LEARNING_RATE)


def _labels(dataset: Dataset) -> np.ndarray:
    return np.concatenate([dataset.train.labels, dataset.test.labels])


def is_labelled(dataset: Dataset) -> bool:
    """Returns whether all examples have a label."""
    return bool(np.min(_labels(dataset)) >= 0)


def make_network(dataset: Dataset, shape: tuple[int, ...], seed: int) -> keras.Model:
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
    num_classes = 1 + int(np.max(_labels(dataset))) if is_labelled(dataset) else _NUM_TURNS
    return keras.Model(inputs, keras.layers.Dense(num_classes, **options(None))(x))


def fit(network: keras.Model, dataset: Dataset, num_steps: int, seed: int) -> list[np.ndarray]:
    """Trains the network in place; returns its test accuracy and its weights."""
    task, copies = (_classes, 1) if is_labelled(dataset) else (_turns, _NUM_TURNS)
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


def last_hidden_layer(network: keras.Model, image_shape: tuple[int, ...]):
    """Returns the function from images of this shape to the features of a network."""
    hidden = keras.Model(network.inputs, network.layers[-2].output)

    def features(images):
        return hidden(resized(images, network.input_shape[1:]), training=False)

    signature = [tf.TensorSpec([None, *image_shape], tf.float32)]
    return tf.function(features, input_signature=signature)
