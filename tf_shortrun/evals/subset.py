"""Subsets of the test images, for evals that are too expensive for all images."""

import dataclasses

import numpy as np

from tf_shortrun.data.dataset import Dataset, Split


def spread(dataset: Dataset, num: int) -> Dataset:
    """Returns the data set with only `num` test examples, or with all if there are fewer.

    The examples are equally spaced, because some test splits are sorted by class.
    """
    total = len(dataset.test.images)
    index = np.linspace(0, total - 1, min(num, total)).astype(np.int64)
    return dataclasses.replace(dataset, test=Split(*(array[index] for array in dataset.test)))


def phrase(dataset: Dataset, num: int) -> str:
    """Returns a phrase that says which test images `spread` selects."""
    total = len(dataset.test.images)
    which = f"all {total}" if num >= total else f"{num} (equally spaced) of {total}"
    return f"{which} test images of {dataset.name}"
