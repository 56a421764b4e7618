"""Network connections of the KDD Cup 1999: 41 features, labelled as normal or as an attack."""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.datasets import fetch_kddcup99

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.data.tabular import scaled

_NUM_FEATURES = 41
# protocol_type, service, flag, land, logged_in, is_host_login, is_guest_login
_CATEGORICAL = (1, 2, 3, 6, 11, 20, 21)
_BYTES = "S16"  # the length of the longest label
_NORMAL = b"normal."


def kdd99(path: str | None, seed: int) -> Dataset:
    """Loads the 10 % file: 198,361 attacks for training, 247,011 rows for testing, with seed 42.

    Attacks are four fifths of the rows and count as inliers; normal connections are the
    anomalies. The training split has the attacks of a random half of the rows, the test split
    all rows of the other half. With seed 42 these are the published rows; 48,629 of the test
    rows (.1969) are anomalies. (The protocol limits normal rows to a fifth of the test rows.
    They never exceed it.)

    Numbers come first, then each categorical feature one-hot: 34 + 87 columns. `tabular.scaled`
    scales them. The released code also fits a scaler, but trains on raw values.

    Args:
      path: path of kddcup.data_10_percent.gz; None reads the slower cache of scikit-learn's
        `fetch_kddcup99`. This function never downloads.
      seed: seed of the split; 42 is published.

    Raises:
      InputError: if the file is missing or has other contents.

    References:
      S. Stolfo et al., KDD Cup 1999 data, UCI machine learning repository 1999.
      B. Zong et al., Deep autoencoding Gaussian mixture model for unsupervised anomaly
        detection, ICLR 2018.
      H. Zenati et al., Efficient GAN-based anomaly detection, ICLR workshop 2018 (the split).
    """
    columns, labels = _cached() if path is None else _read(path)
    rows, is_normal = _encode(columns), labels == _NORMAL
    # This old generator draws the same rows as pandas, which made the published split.
    order = np.random.RandomState(seed % 2**32).permutation(len(rows))
    train, test = np.split(order, [len(order) // 2])
    return scaled("kdd99", rows[train[~is_normal[train]]], rows[test], is_normal[test])


def _cached() -> tuple[Sequence[np.ndarray], np.ndarray]:
    try:
        data, labels = fetch_kddcup99(percent10=True, download_if_missing=False, return_X_y=True)
    except OSError:
        raise InputError(
            "KDD99 is not in the cache of scikit-learn: run `python -m tools.prepare_data kdd99`, "
            "or give the path of kddcup.data_10_percent.gz"
        ) from None
    return data.T, labels


def _read(path: str) -> tuple[Sequence[np.ndarray], np.ndarray]:
    kinds = [_BYTES if place in _CATEGORICAL else "f4" for place in range(_NUM_FEATURES)] + [_BYTES]
    try:
        with gzip.open(Path(path).expanduser(), "rt", encoding="ascii") as file:
            rows = np.loadtxt(file, [("", kind) for kind in kinds], delimiter=",", ndmin=1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path} is not a gzipped file of KDD99, {_NUM_FEATURES} features and a label a row "
            f"({reason}): give the path of kddcup.data_10_percent.gz"
        ) from None
    *columns, labels = (rows[name] for name in rows.dtype.names)
    return columns, labels


def _encode(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Returns a float32 row for each connection: numbers, then one-hot categories."""
    places = [place for place in range(_NUM_FEATURES) if place not in _CATEGORICAL]
    numbers = np.stack([np.asarray(columns[place], np.float32) for place in places], axis=1)
    # The cache has Python objects, whose comparison is slow.
    categories = [np.asarray(columns[place], _BYTES) for place in _CATEGORICAL]
    one_hot = [column[:, None] == np.unique(column) for column in categories]
    return np.concatenate([numbers, *one_hot], axis=1, dtype=np.float32)
