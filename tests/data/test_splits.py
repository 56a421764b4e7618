"""Which folders are splits and which are classes, and which images are for testing."""

import collections

import numpy as np
import pytest

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import layout, splits

CLASSES = [f"{label}/{place:02}.png" for label in "abc" for place in range(20)]


def choose(names, num_train=None, num_test=None, rule="shuffled", seed=0):
    return splits.choose("photos", layout.read(names), num_train, num_test, rule, seed)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["a/1", "b/1"], [0, 1]),
        (["zip/a/1", "zip/b/1"], [0, 1]),
        (["zip/in/a/1", "zip/in/b/1"], [0, 1]),
        (["zip/a/x/1", "zip/a/y/1", "zip/b/1"], [0, 0, 1]),
        (["a/1", "a/2"], [-1, -1]),
        (["1", "a/2", "b/2"], [-1, -1, -1]),
        (["in/1", "in/a/2", "in/b/2"], [-1, -1, -1]),
        (["train/a/1", "train/b/1", "test/a/2"], [0, 1, 0]),
        (["zip/Train/a/1", "zip/Train/b/1", "zip/val/b/2"], [0, 1, 1]),
        (["train/all/a/1", "train/all/b/1", "test/all/b/2"], [0, 1, 1]),
        (["train/1", "test/2"], [-1, -1]),
        (["train/1", "b/2"], [1, 0]),  # without a folder for testing these are classes
    ],
)
def test_labels_are_the_folders_below_what_wraps_them(names, labels):
    assert layout.read(names).labels.tolist() == labels


def test_folders_for_training_and_testing_are_the_splits_and_others_are_left_out():
    names = ["other/1", "test/a/1", "test/b/2", "train/a/3", "train/b/4", "train/b/5", "val/a/6"]
    found = choose(names)
    assert found.train.tolist() == [3, 4, 5] and found.test.tolist() == [1, 2]
    assert found.rule == "the folders for training and for testing, without 2 images elsewhere"
    without = choose([name for name in names if not name.startswith("test")])
    assert without.test.tolist() == [4]  # those of val
    with pytest.raises(InputError, match="photos holds 7 images: num_train 4"):
        choose(names, num_train=4)


@pytest.mark.parametrize("num_test", [None, 3, 10, 29])
def test_a_shuffle_takes_the_same_share_of_every_class(num_test):
    found = choose(CLASSES, num_test=num_test)
    assert sorted([*found.train, *found.test]) == list(range(60))
    counts = collections.Counter(layout.read(CLASSES).labels[found.test].tolist())
    assert sum(counts.values()) == (num_test or 6)
    assert max(counts.values()) - min(counts.values()) <= 1  # by chance this is 2 % for 29
    assert "the same share of every class" in found.rule
    assert found.test.tolist() == sorted(found.test)


def test_a_shuffle_depends_on_the_seed_and_is_no_order_of_names():
    tests = [choose(CLASSES, num_test=30, seed=seed).test.tolist() for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]
    one_class = choose([f"{place}.png" for place in range(100)], num_test=50).test
    assert 15 < np.sum(one_class < 50) < 35


def test_a_class_that_is_a_whole_split_of_names_is_in_both_splits():
    """The last names would be the last four of forty people, whom training never saw."""
    people = [f"{person:02}/{place}.png" for person in range(40) for place in range(10)]
    labels = layout.read(people).labels
    named, shuffled = (choose(people, rule=rule) for rule in ("last_names", "shuffled"))
    assert not set(labels[named.test]) & set(labels[named.train])
    assert set(labels[shuffled.test]) == set(range(40)) == set(labels[shuffled.train])


@pytest.mark.parametrize(("num", "tests"), [(2, 1), (3, 1), (7, 3), (8, 4), (39, 4), (50, 5)])
def test_few_images_have_at_least_four_for_testing_or_half(num, tests):
    assert len(choose([f"{place}.png" for place in range(num)]).test) == tests


def test_numbers_and_rules_that_cannot_be_are_refused():
    for wrong in ({"num_test": 60}, {"num_test": 0}, {"num_train": 55}, {"num_train": 0}):
        with pytest.raises(InputError, match="photos holds 60 images"):
            choose(CLASSES, **wrong)
    with pytest.raises(InputError, match="split is 'random': choose 'shuffled' or 'last_names'"):
        choose(CLASSES, rule="random")
