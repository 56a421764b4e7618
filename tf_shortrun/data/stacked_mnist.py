"""Digits of MNIST stacked as colours: ten classes a channel, so all modes are known."""

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.tfds_images import tfds_images


def stacked_mnist(
    num_digits: int, num_train: int, num_test: int, seed: int, data_dir: str | None = None
) -> Dataset:
    """Tuples of digits drawn with replacement: images [28, 28, num_digits].

    The label is the number that the digits spell, the first channel first: 10^num_digits modes.
    Training tuples are of training digits, test tuples of test digits. `data_dir` is that of
    `tfds_images`.

    Raises:
      InputError: if there are no tuples or not 2 to 4 digits in each, or MNIST is not prepared.

    References: L. Metz, B. Poole, D. Pfau, J. Sohl-Dickstein, Unrolled generative adversarial
    networks, ICLR 2017.
    """
    if not 2 <= num_digits <= 4 or min(num_train, num_test) < 1:
        raise InputError(
            f"stacked_mnist has num_digits {num_digits}, num_train {num_train}, num_test "
            f"{num_test}: choose 2 to 4 digits and a tuple at least"
        )
    mnist, rng = tfds_images("mnist", data_dir=data_dir), np.random.default_rng(seed % 2**31)
    train = _stack(mnist.train, rng.integers(len(mnist.train.images), size=(num_train, num_digits)))
    test = _stack(mnist.test, rng.integers(len(mnist.test.images), size=(num_test, num_digits)))
    return Dataset(f"stacked_mnist{num_digits}", train, test)


def _stack(digits: Split, places: np.ndarray) -> Split:
    """Tuples of the digits at `places` [N, num_digits]."""
    images = np.empty([len(places), *digits.images.shape[1:3], places.shape[1]], np.uint8)
    labels = np.zeros(len(places), np.int32)
    for channel, column in enumerate(places.T):
        images[..., channel] = digits.images[column, ..., 0]
        labels = 10 * labels + digits.labels[column]
    return Split(images, labels)
