"""Two splits of observations in memory, and their batches.

Every data set the papers use fits in memory as uint8 (CelebA-64: 0.5 GB), which
buys what file streams do not give: any batch of any epoch is a function of
(seed, step), so a resumed run sees exactly the batches of an uninterrupted one.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.plane_distribution import PlaneDistribution


class Split(NamedTuple):
    """Observations of one split.

    images: uint8 [N, H, W, C], or float32 of any shape already in [-1, 1].
    labels: int32 [N], -1 where there is none.
    """

    images: np.ndarray
    labels: np.ndarray


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A named data set with a training and a test split.

    unit: published units in one of ours. Densities and distances are stated in published units.
    distribution: the true density, where it is known.
    """

    name: str
    train: Split
    test: Split
    unit: float = 1.0
    distribution: PlaneDistribution | None = None

    def __post_init__(self):
        """Raises InputError if observations are not scaled; noise may lead a little beyond 1."""
        for images, _ in (self.train, self.test):
            if images.dtype != np.uint8 and not np.all(np.abs(images) < 1.5):
                raise InputError(f"{self.name} has NaN or is not scaled to [-1, 1]: mend the data")

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self.train.images.shape[1:]

    def check_batches(self, batch_size: int, num_replicas: int):
        """Raises InputError if an epoch has no full batch or replicas get unequal shares."""
        num = len(self.train.images)
        if not 0 < batch_size <= num:
            raise InputError(
                f"batch_size is {batch_size}: choose 1 to {num}, "
                f"the training examples of {self.name}"
            )
        if batch_size % num_replicas:
            raise InputError(
                f"batch_size {batch_size} does not divide over {num_replicas} replicas: "
                "choose a multiple"
            )

    def train_batches(self, batch_size: int, seed: int, start_step: int = 0, num_replicas: int = 1):
        """Endless shuffled batches from global step `start_step` on.

        Each epoch is a new permutation and has N // batch_size batches of
        `batch_size` examples; the rest of a permutation is left out. With several
        replicas every global batch comes as that many consecutive slices of equal size.

        Raises:
          InputError: as `check_batches`.
        """
        self.check_batches(batch_size, num_replicas)
        num = len(self.train.images)
        per_epoch, size = num // batch_size, batch_size // num_replicas
        epochs = noise.stream(noise.make_seed(seed), "data")

        def indices(step):
            epoch_seed = noise.fold(epochs, step // per_epoch)
            first = (step % per_epoch) * batch_size
            places = first + tf.range(batch_size, dtype=tf.int64)
            return tf.random.experimental.index_shuffle(places, epoch_seed, max_index=num - 1)

        steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
        slices = steps.map(indices).unbatch().batch(size, drop_remainder=True)
        return slices.map(_gather(self.train)).prefetch(2)

    def test_batches(self, batch_size: int):
        """The test split once, in order; the last batch may be smaller."""
        places = tf.data.Dataset.range(len(self.test.images)).batch(batch_size)
        return places.map(_gather(self.test)).prefetch(2)


def from_arrays(data, shape: tuple[int, ...]) -> Dataset:
    """A data set of observations of this shape, without a test split; a `Dataset` passes unchanged.

    Args:
      data: an array [N, *shape], or a finite tf.data of examples or batches, of which the first
        part counts if it has several.

    Raises:
      InputError: if the shape or the scale is another, or there is nothing.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise InputError("the tf.data has no end: leave out repeat()")
        rows = [np.asarray(tf.nest.flatten(element)[0]) for element in data]
        is_batched = rows and rows[0].ndim > len(shape)
        data = (np.concatenate if is_batched else np.stack)(rows) if rows else np.zeros([0, *shape])
    images = np.asarray(data)
    observations(images[:1], shape)
    if images.dtype != np.uint8:
        images = images.astype(np.float32)
    labels = np.full(len(images), -1, np.int32)
    return Dataset("data", Split(images, labels), Split(images[:0], labels[:0]))


def observations(x, shape: tuple[int, ...]) -> tf.Tensor:
    """float32 [N, *shape] on [-1, 1] of what a user gives.

    Raises:
      InputError: if the shape or the scale is another, or there is nothing.
    """
    if tf.is_tensor(x) and not tf.executing_eagerly():
        return tf.cast(to_float(x), tf.float32)  # numbers are not known yet
    x = np.asarray(x)
    wanted = ", ".join(map(str, ("N", *shape)))
    if x.shape == shape:
        raise InputError(
            f"one observation has no batch axis: give [{wanted}], of one x it is x[None]"
        )
    if x.shape[1:] != shape or not len(x):
        raise InputError(f"observations have the shape {x.shape}: give [{wanted}]")
    if x.dtype != np.uint8 and not np.all(np.abs(x) < 1.5):
        raise InputError("observations have NaN or are not on [-1, 1]: of bytes take x / 127.5 - 1")
    return tf.cast(to_float(x), tf.float32)


def to_float(images) -> tf.Tensor:
    """uint8 0..255 -> float32 [-1, 1]; floats pass unchanged."""
    images = tf.convert_to_tensor(images)
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 127.5 - 1.0
    return images


def _gather(split: Split):
    # Placed on the host once: captured by the pipeline, never copied into its graph.
    with tf.device("CPU:0"):
        images, labels = tf.constant(split.images), tf.constant(split.labels)

    def gather(index):
        image, label = to_float(tf.gather(images, index)), tf.gather(labels, index)
        return {"image": image, "index": index, "label": label}

    return gather
