"""Feature extractors: the classifier and its cache, features on disk, the tool.

The images of the small data sets have one bright corner, which is their class.
"""

import dataclasses
import logging
import os
import re
import time
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.arrays import to_float
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.digits import digits
from tf_shortrun.evals.features import cache, classifier
from tf_shortrun.evals.features.extractor import Extractor, extract, extract_split
from tf_shortrun.evals.features.quality import FeatureDistances
from tools.feature_stats import report


def corners(num=200, size=8, channels=1, labelled=True, upright=False, seed=0) -> Dataset:
    """Returns noise with a bright corner; with `upright` it is always at the top left."""
    rng = np.random.default_rng(seed)

    def split():
        images = rng.integers(0, 100, (num, size, size, channels), np.uint8)
        labels = np.zeros(num, np.int32) if upright else rng.integers(0, 4, num).astype(np.int32)
        half = size // 2
        for image, label in zip(images, labels, strict=True):
            image[half * (label // 2) :, half * (label % 2) :][:half, :half] += 60
        return Split(images, labels if labelled else np.full(num, -1, np.int32))

    return Dataset("corners", split(), split())


def images(num=6, shape=(8, 8, 1)):
    return tf.constant(np.random.default_rng(5).uniform(-1, 1, (num, *shape)), tf.float32)


def accuracy(extractor: Extractor) -> float:
    return float(re.search(r"test accuracy ([\d.]+)", extractor.describe())[1])


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_SHORTRUN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_training(monkeypatch):
    def fail(*args):
        raise AssertionError("trained again")

    return lambda: monkeypatch.setattr(classifier.training, "fit", fail)


def test_extract_concatenates_batches_in_order():
    extractor = Extractor("mean", str, lambda x: tf.reduce_mean(x, [1, 2]))
    batches = [tf.fill([n, 2, 2, 3], float(n)) for n in (2, 1)]
    features = extract(extractor, batches)
    assert features.dtype == np.float64
    assert np.array_equal(features, [[2.0] * 3, [2.0] * 3, [1.0] * 3])


# Classifier


def test_the_classifier_learns_digits():
    extractor = classifier.classifier(digits(), num_steps=300, seed=0)
    assert extractor.name == "digits_classifier"
    assert accuracy(extractor) > 0.85  # the last digits have other writers than the first


def test_the_classifier_learns_nothing_from_shuffled_labels():
    data, rng = corners(), np.random.default_rng(0)
    wrong = Split(data.train.images, rng.permutation(data.train.labels))
    honest = classifier.classifier(data, num_steps=100, seed=0)
    shuffled = classifier.classifier(Dataset("corners", wrong, data.test), num_steps=100, seed=0)
    assert accuracy(honest) > 0.95 > 0.5 > accuracy(shuffled)


def test_rotations_are_recognised_only_for_upright_images():
    upright = classifier.classifier(corners(labelled=False, upright=True), num_steps=100, seed=0)
    assert upright.name == "corners_rotation_classifier"
    assert accuracy(upright) > 0.95
    anyhow = classifier.classifier(corners(labelled=False), num_steps=100, seed=0)
    assert accuracy(anyhow) < 0.4


@pytest.mark.parametrize("size, channels", [(8, 1), (28, 1), (64, 3)])
def test_features_do_not_depend_on_neighbours_for_any_image_size(size, channels):
    extractor = classifier.classifier(corners(20, size, channels), num_steps=1, seed=0)
    batch = images(6, (size, size, channels))
    features = extractor(batch)
    assert features.shape == (6, 64) and np.all(np.std(features, axis=0) > 0)
    np.testing.assert_allclose(extractor(batch[2:3]), features[2:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape, seen", [((40, 40, 3), (32, 32, 3)), ((20, 48, 1), (20, 20, 1))])
def test_large_images_and_those_that_are_not_square_can_be_made_small(shape, seen):
    pixels = np.random.default_rng(0).integers(0, 256, [12, *shape], dtype=np.uint8)
    split = Split(pixels, np.full(12, -1, np.int32))
    trained = classifier.load_or_train(Dataset("wide", split, split), 1, 0, largest_side=32)
    assert trained.network.input_shape[1:] == seen
    extractor = classifier.classifier(Dataset("wide", split, split), 1, 0, largest_side=32)
    assert f"images resized to {seen[0]} x {seen[1]}, 1 steps" in extractor.describe()
    x = to_float(pixels)
    small = tf.image.resize(x, seen[:2], antialias=True)
    hidden = keras.Model(trained.network.inputs, trained.network.layers[-2].output)
    np.testing.assert_allclose(extractor(x), hidden(small), rtol=1e-4, atol=1e-5)


def test_small_squares_are_seen_as_they_are():
    extractor = classifier.classifier(corners(20, 28, 1), num_steps=1, seed=0, largest_side=32)
    plain = classifier.classifier(corners(20, 28, 1), num_steps=1, seed=0)
    x = images(3, (28, 28, 1))
    np.testing.assert_array_equal(extractor(x), plain(x))
    assert extractor.describe() == plain.describe()


def test_training_is_reproducible_and_independent_of_global_state(tmp_path):
    def run(name, seed):
        cache_dir = str(tmp_path / name)
        return classifier.classifier(corners(), 30, seed, cache_dir)(images()).numpy()

    first = run("a", 0)
    state = np.random.get_state()[1].copy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        second = run("b", 0)
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(second, first, rtol=1e-3, atol=1e-4)
    assert np.array_equal(np.random.get_state()[1], state)
    assert np.abs(run("c", 1) - first).max() > 0.1


def test_the_classifier_is_trained_once_and_then_read(folder, no_training):
    first = classifier.classifier(corners(), 5, 0)(images())
    no_training()
    again = classifier.classifier(corners(), 5, 0)
    assert np.array_equal(again(images()), first)
    assert len(list(folder.iterdir())) == 1
    for changed in (
        lambda: classifier.classifier(corners(), 6, 0),
        lambda: classifier.classifier(corners(), 5, 1),
        lambda: classifier.classifier(corners(seed=1), 5, 0),
    ):
        with pytest.raises(AssertionError, match="trained again"):
            changed()(images())


def flip_a_bit(blob: bytes) -> bytes:
    middle = len(blob) // 2
    return blob[:middle] + bytes([blob[middle] ^ 1]) + blob[middle + 1 :]


def test_a_damaged_cache_file_is_computed_again(folder, caplog):
    first = classifier.classifier(corners(), 5, 0)(images())
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for damaged in (flip_a_bit(whole), whole[:-100], b"", b"text"):
        file.write_bytes(damaged)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            again = classifier.classifier(corners(), 5, 0)(images())
        assert f"{file} is damaged" in caplog.text
        np.testing.assert_allclose(again, first, rtol=1e-3, atol=1e-4)
        assert cache.load(file) is not None


def test_a_failed_write_leaves_no_partial_file(folder, monkeypatch):
    def stop(path, *arrays):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        cache.save(folder / "a.npz", [np.zeros(3)])
    assert list(folder.iterdir()) == []


def test_the_cache_is_checked_and_swept_before_it_is_used(folder):
    """A draft of yesterday is left by a killed process, a young one may be that of another."""
    for name, age in ((".draft-old", 90_000), (".draft-new", 60)):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (time.time() - age,) * 2)
    cache.check(folder / "a.npz")
    assert [path.name for path in folder.iterdir()] == [".draft-new"]
    folder.rename(folder.with_name("moved"))
    folder.write_text("")
    with pytest.raises(InputError, match="cannot write the cache .*a.npz"):
        cache.check(folder / "a.npz")


def test_a_cache_that_is_complete_need_not_be_writable(folder, monkeypatch):
    cache.save(folder / "a.npz", [np.zeros(3)])
    monkeypatch.setattr(cache.files, "drafting", lambda _: 1 / 0)
    cache.check(folder / "a.npz")
    with pytest.raises(ZeroDivisionError):
        cache.check(folder / "b.npz")


def test_a_classifier_is_not_trained_before_its_features_are_asked_for(folder, no_training):
    no_training()
    assert classifier.classifier(corners(), 5, 0).name == "corners_classifier"


def test_errors_of_the_classifier_are_one_line(tmp_path):
    dots = Split(np.zeros([9, 2], np.float32), np.full(9, -1, np.int32))
    with pytest.raises(InputError) as error:
        classifier.classifier(Dataset("spiral", dots, dots), 5, 0)
    assert "spiral" in one_line(error)
    wide = Split(np.zeros([9, 4, 8, 1], np.uint8), np.full(9, -1, np.int32))
    with pytest.raises(InputError) as error:
        classifier.classifier(Dataset("wide", wide, wide), 5, 0)
    assert "square" in one_line(error)
    with pytest.raises(InputError) as error:
        classifier.classifier(corners(), 0, 0)
    assert "num_steps is 0" in one_line(error)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as error:
        classifier.classifier(corners(), 1, 0, str(tmp_path / "file"))
    assert "TF_SHORTRUN_CACHE" in one_line(error)


# Features of a split on disk


def test_features_of_a_split_are_extracted_once_and_then_read(folder):
    calls = []

    def flat(images):
        calls.append(len(images))
        return tf.reshape(images, [len(images), -1])

    slow = Extractor("slow", str, flat, checksum="a")
    photos = corners(7).test.images
    first = extract_split(slow, photos, 3)
    assert calls == [3, 3, 1] and first.dtype == np.float64
    assert np.array_equal(extract_split(slow, photos, 2), first) and len(calls) == 3
    np.testing.assert_allclose(first, photos.reshape(7, -1) / 127.5 - 1, atol=1e-6)
    changed = dataclasses.replace(slow, checksum="b"), dataclasses.replace(slow, name="other")
    for extractor, images in ((changed[0], photos), (changed[1], photos), (slow, photos + 1)):
        before = len(calls)
        extract_split(extractor, images, 7)
        assert len(calls) == before + 1
    assert len(list(folder.iterdir())) == 4


def test_features_without_checksum_are_not_kept(folder):
    fast = Extractor("fast", str, lambda images: tf.reshape(images, [len(images), -1]))
    extract_split(fast, corners(7).test.images, 3)
    assert not folder.exists()


def test_distances_read_the_features_of_the_reference_and_extract_samples(folder):
    calls = []

    def flat(images):
        calls.append(len(images))
        return tf.reshape(images, [len(images), -1])

    data = corners(30, size=2)
    evaluate = FeatureDistances(lambda _: Extractor("slow", str, flat, "a"), 20, 10, "test")
    learner = types.SimpleNamespace(sample=lambda num, seed: noise.normal(seed, [num, 2, 2, 1]))
    first = evaluate(learner, data, noise.make_seed(0))
    assert calls == [10] * 5
    assert evaluate(learner, data, noise.make_seed(0)) == first
    assert calls == [10] * 7


# Tool


def test_distances_from_too_few_images_are_refused_in_one_line():
    data = corners(20)
    few = dataclasses.replace(data, test=Split(data.test.images[:3], data.test.labels[:3]))
    judge = FeatureDistances(classifier.classifier, num_samples=10, batch_size=5)
    with pytest.raises(InputError) as error:
        judge(None, few, noise.make_seed(0))
    assert "at least 4 test images, and corners has 3" in one_line(error)


def test_the_report_has_small_distances_of_data_and_large_ones_of_noise():
    flat = Extractor("flat", lambda: "own words", lambda x: tf.reshape(x, [len(x), -1]))
    lines = report(corners(150), lambda dataset: flat).splitlines()
    assert lines[0] == "flat: own words"
    rows = {name: (float(a), float(b)) for name, a, b in (line.split() for line in lines[2:])}
    assert rows.keys() == {"frechet", "kid", "precision", "recall", "told"}
    assert abs(rows["told"][0] - 0.5) < 0.2 and rows["told"][1] > 0.9
    assert 3 * rows["frechet"][0] < rows["frechet"][1]
    assert rows["kid"][0] < 0.02 < rows["kid"][1]
    assert rows["precision"][0] > 0.5 > 0.1 > rows["precision"][1]
