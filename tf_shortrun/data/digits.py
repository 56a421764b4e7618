"""Handwritten digits of 8 x 8 pixels from scikit-learn, without a download."""

import numpy as np
from sklearn.datasets import load_digits

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.preparation import of_shape


def digits(num_test: int = 297) -> Dataset:
    """Loads 1797 grey digits [8, 8, 1] with class labels; the last `num_test` are for testing.

    A pixel v of 0..16 becomes round(255 v / 16); the tie v = 8 becomes the even number 128.

    Raises:
      InputError: if a split would be empty.

    References: E. Alpaydin, C. Kaynak, Optical recognition of handwritten digits, UCI
    machine learning repository 1998.
    """
    pixels, labels = load_digits(return_X_y=True)
    num_train = len(pixels) - num_test
    if num_train < 1 or num_test < 1:
        raise InputError(f"num_test is {num_test}: choose 1 to {len(pixels) - 1} of the digits")
    images = np.rint(pixels * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1)
    labels = labels.astype(np.int32)
    parts = slice(None, num_train), slice(num_train, None)
    train, test = (Split(images[part], labels[part]) for part in parts)
    return Dataset("digits", train, test, preparation=of_shape(images.shape[1:]))
