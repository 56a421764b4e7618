"""Modes of stacked digits: counts by hand, perfect and collapsed samplers, and the classifier.

The digits are bright corners: four classes that a short training can distinguish.
"""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import entropy

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.data.arrays import to_float
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.evals.features.classifier import classifier, load_or_train
from tf_shortrun.evals.modes import ModeCounts, StackedDigits, divergence, draw

SEED = noise.make_seed(4)
SIDE, BASE = 8, 4


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_SHORTRUN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def corners(labels, seed=0):
    """Returns noise with a bright corner: uint8 [N, 8, 8, 1]."""
    rng, half = np.random.default_rng(seed), SIDE // 2
    images = rng.integers(0, 100, (len(labels), SIDE, SIDE, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[half * (label // 2) :, half * (label % 2) :][:half, :half] += 100
    return images


def single_digits():
    labels = np.arange(200, dtype=np.int32) % BASE
    split = Split(corners(labels), labels)
    return Dataset("corners", split, split)


def stack(labels, num_digits):
    """Returns images [N, 8, 8, n] whose digits are those of `labels` in base 4."""
    digits = labels[:, None] // BASE ** np.arange(num_digits)[::-1] % BASE
    channels = [corners(column, seed) for seed, column in enumerate(digits.T)]
    return Split(np.concatenate(channels, axis=-1), labels.astype(np.int32))


def stacked(num_digits=2, num=1600):
    every = stack(np.arange(num) % BASE**num_digits, num_digits)
    return Dataset("stacked", every, every)


class Sampler:
    """A learner whose samples have the given labels, one after the other."""

    def __init__(self, labels, num_digits=2):
        self.images = to_float(stack(np.asarray(labels), num_digits).images)

    def sample(self, num, seed):
        first = tf.random.stateless_uniform([], seed, 0, len(self.images), tf.int32)
        return tf.gather(self.images, (first + tf.range(num)) % len(self.images))


def counter(num_samples=800, batch_size=100):
    return StackedDigits(single_digits(), num_samples, batch_size, num_steps=100)


def test_the_divergence_has_hand_computed_values():
    assert divergence(np.full(16, 5)) == 0.0
    assert divergence(np.eye(1000)[3]) == pytest.approx(np.log(1000))
    assert divergence(np.array([3, 1, 0, 0])) == pytest.approx(
        0.75 * np.log(4 * 0.75) + 0.25 * np.log(4 * 0.25)
    )
    counts = np.array([1, 2, 3, 4])
    assert divergence(counts) == pytest.approx(entropy(counts, np.ones(4)))


def test_the_floor_of_26_000_perfect_samples_over_1000_modes_is_0_0192():
    rng = np.random.default_rng(0)
    # For equally frequent digits (M - 1) / 2N = 0.0192, to first order; MNIST differs slightly.
    even = divergence(rng.multinomial(26_000, np.full(1000, 1e-3)))
    assert even == pytest.approx(999 / 52_000, rel=0.1)


@pytest.mark.parametrize("num_digits", [2, 3])
def test_perfect_and_collapsed_samplers_have_the_expected_numbers(num_digits):
    num_modes = BASE**num_digits
    dataset = stacked(num_digits)
    perfect = counter()(Sampler(np.arange(num_modes), num_digits), dataset, SEED)
    assert perfect["modes"] == num_modes
    assert perfect["mode_kl"] < perfect["mode_kl/floor"] < 3 * num_modes / (2 * 800)
    one = counter()(Sampler([num_modes - 2], num_digits), dataset, SEED)
    assert one["modes"] == 1 and one["mode_kl"] == pytest.approx(np.log(num_modes))
    assert one["mode_kl/floor"] == perfect["mode_kl/floor"]
    half = counter()(Sampler(np.arange(num_modes // 2), num_digits), dataset, SEED)
    assert half["modes"] == num_modes / 2 and half["mode_kl"] > np.log(2) - 1e-6


def test_the_first_channel_is_the_first_digit():
    labels = [1, 1, 1, 2, 11, 11, 14, 14]
    counts = counter(80, 8).count(Sampler(labels), stacked(), SEED)
    assert np.array_equal(counts, 10 * np.bincount(labels, minlength=16))


def test_the_number_of_samples_does_not_depend_on_the_batch_size():
    for batch_size in (7, 100, 500):
        evaluation = counter(250, batch_size)
        assert evaluation.count(Sampler([5]), stacked(), SEED)[5] == 250
        assert evaluation(Sampler([5]), stacked(), SEED)["mode_kl/floor"] > 0


def test_one_training_gives_features_and_classes(monkeypatch):
    trained = load_or_train(single_digits(), 100, 0)
    images = to_float(single_digits().test.images)
    classes = np.argmax(trained.network(images), axis=-1)
    assert np.mean(classes == single_digits().test.labels) == pytest.approx(trained.accuracy)
    assert trained.accuracy > 0.99
    monkeypatch.setattr("tf_shortrun.evals.features.classifier_training.fit", None)
    assert classifier(single_digits(), 100, 0)(images).shape == (200, 64)


def test_every_number_has_a_sentence():
    evaluation, dataset = counter(), stacked()
    metrics, sentences = evaluation(Sampler([0]), dataset, SEED), evaluation.protocol(dataset)
    assert sentences.keys() == metrics.keys()
    assert explain(evaluation, metrics, dataset).keys() == metrics.keys()
    for sentence in sentences.values():
        for word in ("800", "corners_classifier", "test accuracy 1.0000"):
            assert word in sentence


def test_every_mode_has_a_cell():
    counts = np.full(1000, 4)
    counts[[0, 123, 999]] = [0, 1000, 1]
    picture = draw(counts, 10)
    # 10 blocks, five in a row; cells have 4 pixels, gaps between blocks 2 pixels.
    assert picture.shape == (2 + 2 * 42, 2 + 5 * 42, 3)

    def cell(label):
        block, row, column = label // 100, label // 10 % 10, label % 10
        top, left = 2 + 42 * (block // 5) + 4 * row, 2 + 42 * (block % 5) + 4 * column
        pixels = picture[top : top + 4, left : left + 4].reshape(-1, 3)
        assert np.all(pixels == pixels[0])
        return tuple(int(level) for level in pixels[0])

    assert cell(0) == (255, 0, 0)
    assert cell(123) == (255, 255, 255)
    fair, rare = cell(500), cell(999)
    assert fair == pytest.approx((102,) * 3, abs=1) and len(set(rare)) == 1 and rare < fair


def test_the_picture_of_a_learner_has_white_and_red_cells():
    picture = ModeCounts(counter())(Sampler([3, 7]), stacked(), SEED)["mode_counts"]
    assert picture.dtype == np.uint8
    # Two of 16 modes are white, with more than twice their share; the others are red.
    white, red = (np.all(picture == colour, axis=-1) for colour in ((255,) * 3, (255, 0, 0)))
    assert 7 * np.sum(white) == np.sum(red) > 0


def test_bad_settings_raise_a_one_line_error():
    def message(call):
        with pytest.raises(InputError) as error:
            call()
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "num_samples is 0" in message(lambda: counter(0))
    assert "batch_size is 0" in message(lambda: counter(9, 0))
    assert "other digits" in message(lambda: StackedDigits(stacked(), 9, 9, 9))
    single = single_digits()
    unknown = Split(single.train.images, np.full(200, -1, np.int32))
    unlabelled = Dataset("blind", unknown, unknown)
    assert "blind" in message(lambda: StackedDigits(unlabelled, 9, 9, 9))
    for other in (single, Dataset("wide", *[Split(np.zeros([9, 9, 8, 2], np.uint8), None)] * 2)):
        assert other.name in message(lambda other=other: counter()(Sampler([0]), other, SEED))
    broken = Sampler([0])
    broken.images = broken.images * np.nan
    assert "not finite" in message(lambda: counter()(broken, stacked(), SEED))
