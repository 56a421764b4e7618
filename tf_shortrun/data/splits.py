"""Which images of a folder are for training, and which for testing."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.layout import Layout

RULES = ("shuffled", "last_names")
_LEAST = 4  # images that distances between samples and the test split need


class Places(NamedTuple):
    """The places of the images of both splits among all, ascending, and the rule in words."""

    train: np.ndarray
    test: np.ndarray
    rule: str


def choose(
    path: str,
    meaning: Layout,
    num_train: int | None,
    num_test: int | None,
    rule: str,
    seed: int,
) -> Places:
    """Returns the places of both splits.

    Args:
      num_train: default all images that are not for testing.
      num_test: default a tenth of the images, if they are shuffled at least four, or half of the
        images; all images of folders for testing.
      rule: 'shuffled': a random choice that takes the same share of every class, from all images,
        or from the folders train and test (or val) if there are such; 'last_names': the last names
        are the test split, the first ones the training split.

    Raises:
      InputError: if the rule is unknown, or splits would be empty or overlap.
    """
    if rule not in RULES:
        raise InputError(f"split is {rule!r}: choose {' or '.join(map(repr, RULES))}")
    if rule == "shuffled" and meaning.splits:
        return _by_folders(path, meaning, num_train, num_test, seed)
    total = len(meaning.labels)
    if num_test is None:
        least = min(_LEAST, total // 2) if rule == "shuffled" else 1
        num_test = max(1, least, total // 10)
    _check(path, total, num_train, num_test, total - num_test, total)
    if rule == "last_names":
        order, words = np.roll(np.arange(total), num_test), "the last names are for testing"
    else:
        order, words = _shuffled(np.arange(total), meaning, seed), f"shuffled, seed {seed}"
        words += ", the same share of every class" * bool(meaning.classes)
    train, test = order[num_test:][:num_train], order[:num_test]
    return Places(np.sort(train), np.sort(test), words)


def _by_folders(
    path: str, meaning: Layout, num_train: int | None, num_test: int | None, seed: int
) -> Places:
    for_train, for_test = (_shuffled(np.flatnonzero(s), meaning, seed) for s in meaning.splits)
    total, sizes = len(meaning.labels), (len(for_train), len(for_test))
    _check(path, total, num_train, num_test, *sizes)
    others = total - sum(sizes)
    words = "the folders for training and for testing"
    words += f", without {others} images elsewhere" * bool(others)
    return Places(np.sort(for_train[:num_train]), np.sort(for_test[:num_test]), words)


def digest(names: Sequence[str]) -> str:
    """Returns twelve hexadecimal digits that change with any of the names."""
    text = "\n".join(names).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:12]


def _shuffled(places: np.ndarray, meaning: Layout, seed: int) -> np.ndarray:
    """Returns the places in an order whose every part has about the same share of each class.

    The images of a class are shuffled and get the keys (u + rank) / n, u uniform on [0, 1): the
    order is that of the keys.
    """
    rng = np.random.default_rng([seed, len(places)])
    keys = np.empty(len(places))
    labels = meaning.labels[places]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        keys[rng.permutation(members)] = (rng.random() + np.arange(len(members))) / len(members)
    return places[np.argsort(keys, kind="stable")]


def _check(path, total: int, num_train, num_test, most_train: int, most_test: int):
    """Raises InputError if a split is empty or larger than the images that it may take."""
    num_train = most_train if num_train is None else num_train
    num_test = most_test if num_test is None else num_test
    if not (0 < num_train <= most_train and 0 < num_test <= most_test):
        raise InputError(
            f"{path} holds {total} images: num_train {num_train} and num_test {num_test} "
            f"must be positive and sum to at most {total}"
        )
