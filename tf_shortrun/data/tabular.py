"""Tabular data sets, with inliers for training and anomalies to find."""

import numpy as np
from sklearn.preprocessing import MinMaxScaler

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, Split


def scaled(name: str, train: np.ndarray, test: np.ndarray, is_anomaly: np.ndarray) -> Dataset:
    """Returns a data set of float32 rows [N, D], scaled to [0, 1].

        x' = clip((x - min) / (max - min), 0, 1)

    Minimum and maximum are those of a column over the training rows. If they are equal, x - min
    is not divided. Test values outside the range are clipped to the nearer end. Labels are 1 for
    an anomaly and 0 for an inlier.

    Args:
      train: rows of inliers only.
      test: rows of inliers and anomalies.
      is_anomaly: bool [N], for the test rows.

    Raises:
      InputError: if there are no training rows, or the test rows have no inliers or no anomalies.
    """
    if len(train) == 0 or len(np.unique(is_anomaly)) < 2:
        raise InputError(f"{name} needs inliers in both splits and anomalies: give all of its rows")
    scaler = MinMaxScaler(clip=True).fit(train)
    train, test = (scaler.transform(rows).astype(np.float32) for rows in (train, test))
    labels = np.asarray(is_anomaly, np.int32)
    return Dataset(name, Split(train, np.zeros(len(train), np.int32)), Split(test, labels))
