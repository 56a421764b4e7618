"""Two splits of observations, and their batches.

Every data set of the papers fits in memory as uint8 (CelebA-64: 0.5 GB), and larger ones are mapped
from disk (`disk.py`). Therefore each batch of each epoch is a function of (seed, step), which file
streams do not offer: a resumed run sees exactly the batches of an uninterrupted run.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.data import rows
from tf_shortrun.data.arrays import observations, to_float
from tf_shortrun.data.columns import Columns
from tf_shortrun.data.plane_distribution import PlaneDistribution
from tf_shortrun.data.preparation import Preparation


class Split(NamedTuple):
    """Observations of one split.

    images: uint8 [N, H, W, C], or float32 of any shape already in [-1, 1]. Those of a memory map
      stay on disk.
    labels: int32 [N], -1 for no label.
    """

    images: np.ndarray
    labels: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The mean observation, float64 on [-1, 1]."""
        mean = self.images.mean(axis=0, dtype=np.float64)
        return mean / 127.5 - 1 if self.images.dtype == np.uint8 else mean


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A named data set with a training and a test split.

    unit: size of one unit of this data set in published units. Evals state densities and distances
      in published units.
    distribution: the true density, if it is known.
    preparation: how other pictures, or rows, become observations of this kind, if that is known.
    facts: what a reader of a result should know of the data, by a word or two.
    num_held_out: number of training examples, equally spaced, that are in no batch of training.
    classes: names of the labels 0, 1, ...; () if they have none.
    """

    name: str
    train: Split
    test: Split
    unit: float = 1.0
    distribution: PlaneDistribution | None = None
    preparation: Preparation | Columns | None = None
    facts: Mapping[str, str | int] = dataclasses.field(default_factory=dict)
    num_held_out: int = 0
    classes: Sequence[str] = ()

    def __post_init__(self):
        """Raises InputError if observations are not scaled; noise may exceed 1 a little."""
        for images, _ in (self.train, self.test):
            if images.dtype != np.uint8 and not np.all(np.abs(images) < 1.5):
                raise InputError(f"{self.name} has NaN or is not scaled to [-1, 1]: mend the data")

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self.train.images.shape[1:]

    def describe(self) -> dict[str, str | int | list[int]]:
        """Returns numbers of examples, the shape of one, and the facts, as values of JSON."""
        numbers = {"num_train": self.num_learned, "num_test": len(self.test.images)}
        if self.num_held_out:
            numbers["num_held_out"] = self.num_held_out
        return {**numbers, "shape": list(self.image_shape), **self.facts}

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change if any observation or label does."""
        whole = hashlib.sha256()
        for part in (*self.train, *self.test):
            whole.update(f"{part.dtype} {part.shape}".encode())
            whole.update(np.ascontiguousarray(part).data)
        return whole.hexdigest()[:12]

    @property
    def mean_colour(self) -> np.ndarray:
        """The mean of the training observations over all axes but the last: [C], on [-1, 1]."""
        mean = self.train.mean
        return mean.mean(axis=tuple(range(mean.ndim - 1))).astype(np.float32)

    def held_out(self) -> "Dataset":
        """Returns the data set with the examples that are held out in place of the test split."""
        return dataclasses.replace(self, test=Split(*(part[self._places] for part in self.train)))

    @property
    def num_learned(self) -> int:
        """The number of training examples that are not held out."""
        return len(self.train.images) - self.num_held_out

    @property
    def _places(self) -> np.ndarray:
        """The places of the training examples that are held out."""
        return np.linspace(0, len(self.train.images) - 1, self.num_held_out).astype(np.int64)

    def check_batches(self, batch_size: int, num_replicas: int):
        """Raises InputError if an epoch has no full batch, or shares of replicas are unequal."""
        num = self.num_learned
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
        """Returns endless shuffled batches from global step `start_step` on.

        Each epoch is a new permutation with N // batch_size batches of `batch_size`
        examples; it omits the remaining examples. With several replicas, each global
        batch comes as consecutive slices of equal size, one for each replica.

        Raises:
          InputError: as in `check_batches`.
        """
        self.check_batches(batch_size, num_replicas)
        learned = np.setdiff1d(np.arange(len(self.train.images)), self._places)
        num = len(learned)
        per_epoch, size = num // batch_size, batch_size // num_replicas
        epochs = noise.stream(noise.make_seed(seed), "data")

        def indices(step):
            epoch_seed = noise.fold(epochs, step // per_epoch)
            first = (step % per_epoch) * batch_size
            places = first + tf.range(batch_size, dtype=tf.int64)
            order = tf.random.experimental.index_shuffle(places, epoch_seed, max_index=num - 1)
            return tf.gather(learned, order) if self.num_held_out else order

        steps = tf.data.Dataset.range(start_step, np.iinfo(np.int64).max)
        slices = steps.map(indices).unbatch().batch(size, drop_remainder=True)
        return slices.map(_gather(self.train)).prefetch(2)

    def test_batches(self, batch_size: int):
        """Returns the test split once, in order; the last batch may be smaller."""
        places = tf.data.Dataset.range(len(self.test.images)).batch(batch_size)
        return places.map(_gather(self.test)).prefetch(2)


def from_arrays(data, shape: tuple[int, ...]) -> Dataset:
    """Returns a data set of the observations, with an empty test split.

    Args:
      data: an array [N, *shape], or a finite tf.data of examples or batches. If its elements have
        several parts, the first part is used. A `Dataset` passes unchanged.
      shape: the shape of one observation.

    Raises:
      InputError: if the shape or the scale is wrong, or there are no observations.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, tf.data.Dataset):
        if data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise InputError("the tf.data has no end: remove repeat()")
        parts = [np.asarray(tf.nest.flatten(element)[0]) for element in data]
        is_batched = parts and parts[0].ndim > len(shape)
        join = np.concatenate if is_batched else np.stack
        data = join(parts) if parts else np.zeros([0, *shape])
    images = np.asarray(data)
    observations(images[:1], shape)
    if images.dtype != np.uint8:
        images = images.astype(np.float32)
    labels = np.full(len(images), -1, np.int32)
    return Dataset("data", Split(images, labels), Split(images[:0], labels[:0]))


def _gather(split: Split) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    images, labels = rows.of(split.images), rows.of(split.labels)

    def gather(index):
        return {"image": to_float(images(index)), "index": index, "label": labels(index)}

    return gather
