"""The test images of an eval that is too costly to look at all of them."""

import dataclasses

import numpy as np

from tf_shortrun.data.dataset import Dataset, Split


def spread(dataset: Dataset, num: int) -> Dataset:
    """The data set with `num` of its test examples, or all of them where there are fewer.

    They are taken at equal distances, since some test splits are sorted by class.
    """
    total = len(dataset.test.images)
    index = np.linspace(0, total - 1, min(num, total)).astype(np.int64)
    return dataclasses.replace(dataset, test=Split(*(array[index] for array in dataset.test)))


def phrase(dataset: Dataset, num: int) -> str:
    """What `spread` takes, in words."""
    total = len(dataset.test.images)
    which = f"all {total}" if num >= total else f"{num} (equally spaced) of {total}"
    return f"{which} test images of {dataset.name}"
