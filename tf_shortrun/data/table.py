"""A table of your own, or of a collection of tables, in which anomalies are labelled."""

from pathlib import Path

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import table_file
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.data.inliers import hold_out
from tf_shortrun.data.tabular import scaled


def table(
    path: str,
    label: str | int | None = None,
    anomaly: str | float = 1,
    train_share: float = 0.5,
    seed: int = 0,
) -> Dataset:
    """Loads a table: a share of the inliers for training, all other rows for testing.

    The data set is called as the file is. `tabular.scaled` scales the columns; the scaling goes
    with a run and its export. Half of the inliers is the usual share for tables of the ODDS
    library, e.g. arrhythmia.mat: 193 of 386 inliers, 66 anomalies.

    Args:
      path: a .csv, with or without a line of names; a .npy with an array [N, D]; or a .mat with the
        features X and the labels y.
      label: name or place of the column of labels; None for the last one.
      anomaly: the label of an anomaly; all other rows are inliers.
      train_share: of the inliers, between 0 and 1.
      seed: that of the split.

    Raises:
      InputError: as `table_file.read`; if there is no such column or a share out of range; if a
        column has values that are no finite numbers; if there are no anomalies or too few inliers.

    References:
      S. Rayana, ODDS library, Stony Brook University 2016.
      L. Bergman, Y. Hoshen, Classification-based anomaly detection for general data, ICLR 2020.
    """
    if not 0 < train_share < 1:
        raise InputError(f"train_share is {train_share}: choose a share between 0 and 1")
    file = table_file.read(path)
    columns, labels = file.split(label)
    is_anomaly = _equal(labels, anomaly)
    if is_anomaly.all() or not is_anomaly.any():
        found = ", ".join(map(str, sorted(set(labels.tolist()), key=str)[:8]))
        raise InputError(
            f"the labels of {path} are {found}: bind table.anomaly to that of anomalies, and "
            "table.label to the column of labels"
        )
    rows = file.numbers(columns)
    train, test = hold_out(is_anomaly, train_share, seed)
    name = Path(path).stem
    return scaled(name, rows[train], rows[test], is_anomaly[test], list(columns))


def _equal(labels: np.ndarray, label: str | float) -> np.ndarray:
    """Returns where labels [N], numbers or words, are this one."""
    if isinstance(label, str) or labels.dtype.kind not in "biuf":
        return np.array([str(one) == str(label) for one in labels])
    return labels == label
