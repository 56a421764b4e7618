"""Tests of the small form of images and of initial states."""

import numpy as np
import pytest

from tools import packed

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_come_out_as_they_went_in(dtype):
    images = RNG.uniform(0, 256, [5, 4, 3, 2]).astype(dtype)
    again = packed.unpack(packed.pack(images), list(images.shape), str(images.dtype))
    assert again.dtype == dtype and np.array_equal(again, images)


def test_smooth_images_become_small():
    rows = np.arange(64, dtype=np.uint8)[:, None] + 3 * np.arange(64, dtype=np.uint8)
    images = np.stack([rows + np.uint8(shift) for shift in RNG.integers(0, 256, 100)])[..., None]
    assert len(packed.pack(images)) < images.nbytes / 20


@pytest.mark.parametrize("array", [np.zeros([3, 4], np.float32), np.int64(7)])
def test_a_constant_is_its_number(array):
    made = packed.make(packed.describe(np.asarray(array)), [1, 2])
    assert made.dtype == array.dtype and np.array_equal(made, array)


def test_a_uniform_weight_is_drawn_again_with_its_limit():
    recipe = packed.describe(RNG.uniform(-0.1, 0.1, [50, 40]).astype(np.float32))
    first, second = packed.make(recipe, [1, 0]), packed.make(recipe, [1, 1])
    assert first.shape == (50, 40) and first.dtype == np.float32
    assert (
        0.098 < np.abs(first).max() <= 0.1 and abs(np.corrcoef(first.flat, second.flat)[0, 1]) < 0.1
    )
    assert np.array_equal(first, packed.make(recipe, [1, 0]))


@pytest.mark.parametrize("array", [RNG.normal(size=[50, 40]), RNG.uniform(-1, 1, 20)])
def test_what_is_not_surely_uniform_must_travel(array):
    assert packed.describe(array) is None
