"""Electrocardiograms of 274 numbers each; rare kinds of arrhythmia are the anomalies."""

from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.data.inliers import hold_out
from tf_shortrun.data.tabular import scaled


def arrhythmia(path: str, seed: int) -> Dataset:
    """Loads the 452 rows: half of the 386 inliers for training, all other rows for testing.

    The test split has the other inliers and 66 anomalies. This is the usual split of the data set.
    Maximum entropy generators have no published result for it. `tabular.scaled` scales the rows.

    Args:
      path: path of arrhythmia.mat of the ODDS library, with the features X and the anomalies y.
      seed: seed of the split.

    Raises:
      InputError: if the file is missing or has other contents.

    References:
      S. Rayana, ODDS library, Stony Brook University 2016.
      L. Bergman, Y. Hoshen, Classification-based anomaly detection for general data, ICLR 2020.
    """
    rows, is_anomaly = _read(path)
    train, test = hold_out(is_anomaly, 0.5, seed)
    return scaled("arrhythmia", rows[train], rows[test], is_anomaly[test])


def _read(path: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        content = loadmat(Path(path).expanduser(), variable_names=["X", "y"])
        rows, labels = content["X"], content["y"].ravel()
    except (OSError, KeyError, ValueError, NotImplementedError, MatReadError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} is not a MATLAB file with X and y ({reason}): give the path of arrhythmia.mat"
        ) from None
    return rows, labels == 1
