"""An eval of how well a learner reconstructs test images."""

import dataclasses
import functools
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner, Reconstructs, RunsChain
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Batch, Seed
from tf_shortrun.data.dataset import Dataset, Split


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """An eval of the mean squared error per pixel on [-1, 1] over test images, one chain each.

        mse = mean_n |x_n - x_hat_n|^2 / D

        unexplained_variance = mse / (mean_n |x_n - m|^2 / D),   m the mean training image

    `times` sets the length of the chain: 1 is the length in training (`mse`), n is n times
    this length (`mse@nK`). The first `num_images` test images are used, by default all.
    The noise of batch b comes from fold(seed, b) and is the same for every length.
    """

    metrics: ClassVar = {
        "mse": Metric(
            "lower", "Reconstruction of test images: squared error per pixel on [-1, 1]."
        ),
        "mse@*K": Metric("lower", "As mse, with a chain this many times as long as in training."),
        "unexplained_variance": Metric(
            "lower", "mse divided by that of the mean training image, which has 1."
        ),
    }

    batch_size: int
    times: tuple[int, ...] = (1, 2, 4)
    num_images: int | None = None
    __post_init__ = check_counts

    def check(self, learner: Learner, dataset: Dataset):
        del dataset
        require(learner, Reconstructs, "Reconstruction")
        if set(self.times) != {1}:
            require(learner, RunsChain, "Reconstruction.times other than 1")

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns the error for each length of the chain.

        Raises:
          InputError: if the learner cannot reconstruct, or `times` is not 1 and it has no chain.
        """
        self.check(learner, dataset)
        errors = {
            _name(times): self._mse(functools.partial(_reconstruct, learner, times), dataset, seed)
            for times in self.times
        }
        if 1 in self.times:
            mean = tf.constant(dataset.train.mean, tf.float32)
            of_mean = self._mse(lambda *_: mean, dataset, seed)
            errors["unexplained_variance"] = errors["mse"] / of_mean
        return errors

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns a sentence on how each number was measured, by name."""
        num, total = len(self._test(dataset).images), len(dataset.test.images)
        which = f"all {total}" if num == total else f"the first {num} of {total}"
        return {
            _name(times): (
                f"Mean squared error per pixel on [-1, 1] over {which} test images of "
                f"{dataset.name}, one chain each, {times} x as long as in training."
            )
            for times in self.times
        }

    def _mse(self, reconstruct: Callable, dataset: Dataset, seed: Seed) -> float:
        batches = dataclasses.replace(dataset, test=self._test(dataset)).test_batches(
            self.batch_size
        )
        # One signature for all batches, so that the smaller last batch causes no second trace.
        spec = [batches.element_spec, tf.TensorSpec([2], tf.int32)]

        @tf.function(input_signature=spec)
        def squared_errors(batch, batch_seed):
            error = batch["image"] - reconstruct(batch, batch_seed)
            return tf.reduce_mean(error**2, axis=list(range(1, error.shape.rank)))

        errors = [squared_errors(batch, noise.fold(seed, b)) for b, batch in enumerate(batches)]
        return float(np.mean(np.concatenate(errors), dtype=np.float64))

    def _test(self, dataset: Dataset) -> Split:
        return Split(*(array[: self.num_images] for array in dataset.test))


def _reconstruct(learner: Reconstructs, times: int, batch: Batch, seed: Seed) -> tf.Tensor:
    if times == 1:
        return learner.reconstruct(batch, seed)
    return learner.decode(learner.infer_by_chain(batch, seed, times))


def _name(times: int) -> str:
    return "mse" if times == 1 else f"mse@{times}K"
