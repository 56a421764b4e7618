"""A toy method that the package does not mention: a Gaussian around a learned mean.

x = m + e,   e ~ N(0, 0.1^2 I),     m <- m + rate * mean(batch - m)
"""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.data.dataset import Dataset, Split


class MeanLearner:
    """A learner of m. `rate` is between 0 and 1."""

    def __init__(self, rate: float, image_shape: tuple[int, ...]):
        self.image_shape, self._rate = image_shape, rate
        self._mean = tf.Variable(tf.zeros(image_shape), name="mean")

    @property
    def state(self):
        return {"mean": self._mean}

    def train_step(self, batch, seed):
        del seed
        error = tf.reduce_mean(batch["image"] - self._mean, axis=0)
        context = tf.distribute.get_replica_context()
        error = context.all_reduce(tf.distribute.ReduceOp.MEAN, error)
        self._mean.assign_add(self._rate * error)
        return {"loss": tf.reduce_mean(error**2)}

    def sample(self, num, seed):
        made = self._mean + 0.1 * noise.normal(seed, [num, *self.image_shape])
        return tf.clip_by_value(made, -1.0, 1.0)


def halves(num: int) -> Dataset:
    """Returns 4 x 4 images that are all 0 in the left half and 1/2 in the right half."""
    images = np.zeros([num, 4, 4, 1], np.float32)
    images[:, :, 2:] = 0.5
    split = Split(images, np.zeros([num], np.int64))
    return Dataset("halves", split, split)


class Bias:
    """An eval of `bias`, the distance between the means of 1,000 samples and of test examples."""

    metrics: ClassVar = {"bias": Metric("lower", "Distance of means, per pixel.")}

    def __call__(self, learner, dataset, seed):
        difference = np.mean(learner.sample(1000, seed), 0) - np.mean(dataset.test.images, 0)
        return {"bias": float(np.mean(np.abs(difference)))}

    def protocol(self, dataset):
        return {}


@dataclasses.dataclass(frozen=True)
class MeanPicture:
    """A picture of the mean of samples, called `mean`."""

    captions: ClassVar = {"mean": "Dark on the left, light on the right."}
    num: int

    def __call__(self, learner, dataset, seed):
        levels = 127.5 * (1 + np.mean(learner.sample(self.num, seed), axis=0))
        return {"mean": np.repeat(levels.astype(np.uint8), 3, axis=-1)}
