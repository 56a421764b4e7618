"""An eval and a picture of modes among samples of stacked digits, by a classifier of digits.

References:
  L. Metz, B. Poole, D. Pfau, J. Sohl-Dickstein, Unrolled generative adversarial networks,
    ICLR 2017.
  A. Srivastava, L. Valkov, C. Russell, M. U. Gutmann, C. Sutton, VEEGAN: reducing mode
    collapse in GANs using implicit variational learning, NIPS 2017.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
import tensorflow as tf
from scipy.special import rel_entr

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.arrays import to_float
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features.classifier import Trained, check_trainable, load_or_train
from tf_shortrun.evals.features.extractor import Extractor, extract
from tf_shortrun.evals.pictures.grids import Pictures, compiled
from tf_shortrun.evals.pictures.tiles import grid

_SEED = 0  # for the classifier


@dataclasses.dataclass(frozen=True)
class StackedDigits:
    """An eval of modes among samples [H, W, n] whose channels are digits.

    The digits of a sample form one of M = `base`^n numbers, its mode. Every channel is classified
    separately. With c_i of N samples in mode i,

        modes = #{i: c_i > 0},     mode_kl = sum_i c_i / N log(M c_i / N)     in nats

    `mode_kl/floor` is mode_kl of as many training examples, drawn with replacement. It is about
    (M - 1) / 2N for the draw, plus the same term with the number of training examples as N, plus
    contributions of unequal digit frequencies and of the classifier. The classifier is in inference
    mode; in the released code its dropout stays on.

    digits: images [H, W, 1] with labels 0 to base - 1, to train the classifier.
    num_steps: number of training steps of the classifier.

    The noise of batch b comes from fold(seed, b), the training examples from
    stream(seed, "training").
    """

    metrics: ClassVar = {
        "modes": Metric("higher", "Modes of the data that the samples reach."),
        "mode_kl": Metric("lower", "KL of the mass of samples by piece from the true mass, nats."),
        "mode_kl/floor": Metric("", "As mode_kl, of as many training examples."),
    }

    digits: Dataset
    num_samples: int
    batch_size: int
    num_steps: int

    def __post_init__(self):
        check_counts(self)
        if self.digits.image_shape[2:] != (1,) or self.digits.train.labels.min() < 0:
            raise InputError(
                f"{self.digits.name} has no labelled images of one channel: give StackedDigits "
                "other digits"
            )

    def check(self, learner: Learner, dataset: Dataset):
        del learner
        self._check_stack(dataset)
        check_trainable(self.digits, self.num_steps, _SEED)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns `modes`, `mode_kl`, `mode_kl/floor`.

        Raises:
          InputError: if the observations are not stacks of such digits, or samples are not finite.
        """
        counts = self.count(learner, dataset, seed)
        real = self._count(self._draw(dataset, noise.stream(seed, "training")), dataset)
        return {
            "modes": float(np.count_nonzero(counts)),
            "mode_kl": divergence(counts),
            "mode_kl/floor": divergence(real),
        }

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns a sentence on how each number was measured, by name."""
        num, modes, (name, accuracy, _) = self.num_samples, self._num_modes(dataset), self._trained
        source = f"classified by {name} ({self.num_steps} steps, test accuracy {accuracy:.4f})"
        return {
            "modes": f"Numbers of stacked digits, of {modes}, among {num} samples, {source}.",
            "mode_kl": f"KL(share of {num} samples | uniform) over {modes} modes, nats, {source}.",
            "mode_kl/floor": (
                f"mode_kl of {num} training examples of {dataset.name}, drawn with replacement, "
                f"{source}."
            ),
        }

    def count(self, learner: Learner, dataset: Dataset, seed: Seed) -> np.ndarray:
        """Counts how many of `num_samples` samples are in each mode: [base^n]."""
        num_batches = math.ceil(self.num_samples / self.batch_size)
        sample = compiled(learner.sample)
        batches = (sample(self.batch_size, noise.fold(seed, b)) for b in range(num_batches))
        return self._count(batches, dataset)

    @functools.cached_property
    def _trained(self) -> Trained:
        return load_or_train(self.digits, self.num_steps, _SEED)

    @property
    def base(self) -> int:
        """The number of classes of a single digit."""
        return self._trained.network.output_shape[-1]

    def _num_modes(self, dataset: Dataset) -> int:
        self._check_stack(dataset)
        return self.base ** dataset.image_shape[-1]

    def _check_stack(self, dataset: Dataset):
        *sides, num_digits = dataset.image_shape
        if tuple(sides) != self.digits.image_shape[:2] or num_digits < 2:
            raise InputError(
                f"{dataset.name} has observations of shape {dataset.image_shape}: StackedDigits "
                f"needs two channels or more of {self.digits.name}, remove it"
            )

    def _draw(self, dataset: Dataset, seed: Seed) -> Iterator[tf.Tensor]:
        rng, images = np.random.default_rng(int(seed[0]) % 2**31), dataset.train.images
        places = rng.integers(len(images), size=self.num_samples)
        for first in range(0, self.num_samples, self.batch_size):
            yield to_float(images[places[first : first + self.batch_size]])

    def _count(self, batches: Iterable[tf.Tensor], dataset: Dataset) -> np.ndarray:
        num_modes, num_digits = self._num_modes(dataset), dataset.image_shape[-1]
        logits = Extractor(self._trained.name, str, tf.function(self._logits))
        digits = np.argmax(extract(logits, batches), axis=-1)[: self.num_samples]
        places = self.base ** np.arange(num_digits)[::-1]
        return np.bincount(digits @ places, minlength=num_modes)

    def _logits(self, images: tf.Tensor) -> tf.Tensor:
        """Returns logits [B, n, base] of every channel of images [B, H, W, n]."""
        channels = tf.transpose(images, [0, 3, 1, 2])
        flat = tf.reshape(channels, [-1, *self.digits.image_shape])
        logits = self._trained.network(flat, training=False)
        return tf.reshape(logits, [-1, images.shape[-1], self.base])


def divergence(counts: np.ndarray) -> float:
    """Returns KL(shares of `counts` [M] | uniform distribution), nats."""
    return float(np.sum(rel_entr(counts / np.sum(counts), 1 / len(counts))))


@dataclasses.dataclass(frozen=True)
class ModeCounts:
    """A picture `mode_counts`: how often samples fall on each mode.

    A cell is a mode. The last digit gives its column, the digit before gives its row, the other
    digits give its block. Mid grey is an equal share, white is twice this share or more, red is 0.
    """

    captions: ClassVar = {
        "mode_counts": (
            "How often samples fall on each mode. A cell is a number of stacked digits: the "
            "last digit gives its column, the digit before its row, the other digits its block. "
            "Mid grey is an equal share, white is twice this share or more, red is 0."
        ),
    }

    counter: StackedDigits

    def check(self, learner: Learner, dataset: Dataset):
        self.counter.check(learner, dataset)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        counts = self.counter.count(learner, dataset, seed)
        return {"mode_counts": draw(counts, self.counter.base)}


def draw(counts: np.ndarray, base: int) -> np.ndarray:
    """Draws blocks of base x base cells for `counts` [base^n], five in a row: uint8 [., ., 3]."""
    light = np.minimum(counts / np.mean(counts), 2.0) - 1.0
    cells = np.where(counts[:, None] > 0, light[:, None], [1.0, -1.0, -1.0])
    return grid(cells.reshape(-1, base, base, 3), 5)
