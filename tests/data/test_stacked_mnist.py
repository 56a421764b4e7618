"""Stacked digits: each channel is a digit of the split, and the label has these digits."""

import numpy as np
import pytest

from prepared import prepare
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.stacked_mnist import stacked_mnist
from tf_shortrun.data.tfds_images import tfds_images


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    prepare("mnist", folder, num_train=30, num_test=20)
    return str(folder)


def places(channel, digits):
    """Returns the place of each image [N, 28, 28] in `digits` [M, 28, 28, 1], which all differ."""
    rows = {image.tobytes(): place for place, image in enumerate(digits)}
    assert len(rows) == len(digits)
    return np.array([rows[np.ascontiguousarray(image).tobytes()] for image in channel])


@pytest.mark.parametrize("num_digits", [2, 3])
def test_channels_are_digits_of_the_split_and_form_the_labels(folder, num_digits):
    mnist = tfds_images("mnist", data_dir=folder)
    stacked = stacked_mnist(num_digits, 400, 50, seed=3, data_dir=folder)
    assert stacked.name == f"stacked_mnist{num_digits}"
    for name, num in (("train", 400), ("test", 50)):
        split, digits = getattr(stacked, name), getattr(mnist, name)
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32
        assert split.images.shape == (num, 28, 28, num_digits)
        drawn = [places(split.images[..., c], digits.images) for c in range(num_digits)]
        spelled = ["".join(str(digits.labels[p]) for p in tuple_) for tuple_ in zip(*drawn)]  # noqa: B905
        assert [f"{label:0{num_digits}}" for label in split.labels] == spelled


def test_digits_are_drawn_evenly_and_independently(folder):
    images = tfds_images("mnist", data_dir=folder).train.images
    train = stacked_mnist(2, 9000, 1, seed=0, data_dir=folder).train
    first, second = (places(train.images[..., c], images) for c in range(2))
    pairs = np.bincount(30 * first + second, minlength=900)
    # Chi-squared of 900 cells with 10 each: 899 +- 42. A repeated channel would give 261,000.
    assert np.sum((pairs - 10) ** 2 / 10) == pytest.approx(899, abs=5 * 42)


def test_equal_seeds_give_equal_data(folder):
    def draw(seed):
        return stacked_mnist(3, 20, 20, seed, data_dir=folder).train.images

    assert np.array_equal(draw(1), draw(1)) and not np.array_equal(draw(1), draw(2))


@pytest.mark.parametrize("counts", [(1, 5, 5), (5, 5, 5), (3, 0, 5), (3, 5, 0)])
def test_bad_counts_raise_a_one_line_error(folder, counts):
    with pytest.raises(InputError) as error:
        stacked_mnist(*counts, seed=0, data_dir=folder)
    assert "\n" not in str(error.value) and f"num_digits {counts[0]}" in str(error.value)


def test_missing_mnist_raises_an_error(tmp_path):
    with pytest.raises(InputError, match="mnist is not prepared"):
        stacked_mnist(3, 5, 5, seed=0, data_dir=str(tmp_path))
