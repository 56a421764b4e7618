"""Tabular data sets, with inliers for training and anomalies to find."""

from collections.abc import Sequence

import numpy as np
from sklearn.preprocessing import MinMaxScaler

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.columns import Columns, numbered
from tf_shortrun.data.dataset import Dataset, Split


def scaled(
    name: str,
    train: np.ndarray,
    test: np.ndarray,
    is_anomaly: np.ndarray,
    names: Sequence[str] | None = None,
) -> Dataset:
    """Returns a data set of float32 rows [N, D], scaled to [0, 1] as in `Columns`.

    Minimum and maximum are those of a column over the training rows. If they are equal, x - min
    is not divided. Test values outside the range are clipped to the nearer end. Labels are 1 for
    an anomaly and 0 for an inlier.

    Args:
      train: rows of inliers only.
      test: rows of inliers and anomalies.
      is_anomaly: bool [N], for the test rows.
      names: those of the columns.

    Raises:
      InputError: if there are no training rows, or the test rows have no inliers or no anomalies.
    """
    if len(train) == 0 or len(np.unique(is_anomaly)) < 2:
        raise InputError(f"{name} needs inliers in both splits and anomalies: give all of its rows")
    scaler = MinMaxScaler().fit(train)
    known = map(tuple, (names or numbered(train.shape[1]), scaler.scale_, scaler.min_))
    columns = Columns(*known)
    splits = (
        Split(columns(train), np.zeros(len(train), np.int32)),
        Split(columns(test), np.asarray(is_anomaly, np.int32)),
    )
    return Dataset(name, *splits, preparation=columns)
