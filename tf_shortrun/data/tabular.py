"""Data sets of rows of numbers, to train on inliers and to find anomalies."""

import numpy as np
from sklearn.preprocessing import MinMaxScaler

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, Split


def scaled(name: str, train: np.ndarray, test: np.ndarray, is_anomaly: np.ndarray) -> Dataset:
    """A data set of float32 rows [N, D] in [0, 1], from inliers `train` and mixed `test`.

        x' = clip((x - min) / (max - min), 0, 1)

    Minimum and maximum are those of a column over the training rows; where they are equal,
    x - min is not divided. Clipping moves test values that lie outside to the nearer end.
    Labels are 1 for an anomaly and 0 for an inlier.

    Args:
      is_anomaly: of the test rows, bool [N].

    Raises:
      InputError: if there are no rows to train on, or no inliers or anomalies to tell apart.
    """
    if len(train) == 0 or len(np.unique(is_anomaly)) < 2:
        raise InputError(f"{name} needs inliers in both splits and anomalies: give all of its rows")
    scaler = MinMaxScaler(clip=True).fit(train)
    train, test = (scaler.transform(rows).astype(np.float32) for rows in (train, test))
    labels = np.asarray(is_anomaly, np.int32)
    return Dataset(name, Split(train, np.zeros(len(train), np.int32)), Split(test, labels))
