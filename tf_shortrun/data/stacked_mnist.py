"""Digits of MNIST stacked as colour channels: ten classes per channel, so all modes are known."""

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.preparation import of_shape
from tf_shortrun.data.tfds_images import tfds_images


def stacked_mnist(
    num_digits: int, num_train: int, num_test: int, seed: int, data_dir: str | None = None
) -> Dataset:
    """Draws tuples of digits with replacement: images [28, 28, num_digits].

    The label is the number with these digits, the first channel first: 10^num_digits modes.
    Training tuples have training digits, test tuples test digits. `data_dir` is as in
    `tfds_images`.

    Raises:
      InputError: if a split is empty, `num_digits` is not 2 to 4, or MNIST is not prepared.

    References: L. Metz, B. Poole, D. Pfau, J. Sohl-Dickstein, Unrolled generative adversarial
    networks, ICLR 2017.
    """
    if not 2 <= num_digits <= 4 or min(num_train, num_test) < 1:
        raise InputError(
            f"stacked_mnist has num_digits {num_digits}, num_train {num_train}, num_test "
            f"{num_test}: choose 2 to 4 digits and at least 1 tuple"
        )
    mnist, rng = tfds_images("mnist", data_dir=data_dir), np.random.default_rng(seed % 2**31)
    train = _stack(mnist.train, rng.integers(len(mnist.train.images), size=(num_train, num_digits)))
    test = _stack(mnist.test, rng.integers(len(mnist.test.images), size=(num_test, num_digits)))
    of_pictures = of_shape(train.images.shape[1:])
    return Dataset(f"stacked_mnist{num_digits}", train, test, preparation=of_pictures)


def _stack(digits: Split, places: np.ndarray) -> Split:
    """Stacks the digits at `places` [N, num_digits]."""
    images = np.empty([len(places), *digits.images.shape[1:3], places.shape[1]], np.uint8)
    labels = np.zeros(len(places), np.int32)
    for channel, column in enumerate(places.T):
        images[..., channel] = digits.images[column, ..., 0]
        labels = 10 * labels + digits.labels[column]
    return Split(images, labels)
