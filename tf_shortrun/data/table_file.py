"""Tables of numbers in files: .csv, .npy and .mat."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.columns import Columns, numbered

SUFFIXES = (".csv", ".npy", ".npz", ".mat")
_UNREADABLE = (
    *(OSError, EOFError, KeyError, ValueError, NotImplementedError, MatReadError),
    pd.errors.ParserWarning,
)


class Table(NamedTuple):
    """Columns of a file by name, in order, each [N]; `y` of a .mat file is the last."""

    path: str
    columns: pd.DataFrame

    def split(self, label: str | int | None) -> tuple[pd.DataFrame, np.ndarray]:
        """Returns the other columns, and the column of labels: by name or place, None is the last.

        Raises:
          InputError: if there is no such column, or no other.
        """
        names = list(self.columns)
        place = -1 if label is None else label
        try:
            name = names[place] if isinstance(place, int) else names[names.index(place)]
        except (IndexError, ValueError):
            raise InputError(
                f"{self.path} has no column {label!r}: choose one of {_some(names)}"
            ) from None
        if len(names) < 2:
            raise InputError(f"{self.path} has one column: give features and a label in each row")
        return self.columns.drop(columns=name), self.columns[name].to_numpy()

    def numbers(self, columns: pd.DataFrame) -> np.ndarray:
        """Returns columns of numbers, float64 [N, D].

        Raises:
          InputError: if a column has text, or a value is missing or not finite.
        """
        for name, column in columns.items():
            values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
            if bad := int(np.sum(~np.isfinite(values))):
                first = int(np.argmax(~np.isfinite(values)))
                raise InputError(
                    f"{self.path}: column {name} has {bad} values that are no finite numbers, "
                    f"first '{column.iloc[first]}' in row {first}: drop them, or use numbers"
                )
        return columns.to_numpy(np.float64)


def read(path: str) -> Table:
    """Reads a table: a .csv with or without a line of names, a .npy or .npz with one array [N, D],
    or a .mat with the features X and perhaps the labels y.

    Raises:
      InputError: if it cannot be read, or is another kind of file.
    """
    kind = Path(path).suffix.lower()
    readers = {".csv": _csv, ".npy": _npy, ".npz": _npy, ".mat": _mat}
    if kind not in readers:
        raise InputError(f"{path} is no table: give one of {', '.join(readers)}")
    try:
        frame = readers[kind](Path(path).expanduser())
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{path} cannot be read as a table ({reason}): give a .csv, a .npy with one array "
            "[N, D], or a .mat with X and y"
        ) from None
    if frame.empty:
        raise InputError(f"{path} has no rows: give a table with rows")
    return Table(path, frame)


def rows_for(path: str, columns: Columns) -> np.ndarray:
    """Returns the rows of a file for the columns of a run: those with their names, or all.

    A last column more is taken for the labels.

    Raises:
      InputError: as `read`, or if the file has other columns.
    """
    table = read(path)
    frame, num = table.columns, len(columns.names)
    if set(columns.names) <= set(frame.columns):
        return table.numbers(frame[list(columns.names)])
    if frame.shape[1] not in (num, num + 1):
        raise InputError(
            f"{path} has {frame.shape[1]} columns: give the {num} of training, "
            f"{_some(columns.names)}"
        )
    return table.numbers(frame.iloc[:, :num])


def _csv(path: Path) -> pd.DataFrame:
    first = pd.read_csv(path, header=None, nrows=1, skipinitialspace=True, dtype=str).iloc[0]
    has_names = pd.to_numeric(first, errors="coerce").isna().all()
    header = 0 if has_names else None
    with warnings.catch_warnings():  # lines that are longer than the first would be cut
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame = pd.read_csv(path, header=header, skipinitialspace=True, index_col=False)
    return frame if has_names else frame.set_axis(numbered(frame.shape[1]), axis=1)


def _npy(path: Path) -> pd.DataFrame:
    array = np.load(path)  # refuses pickles
    if isinstance(array, np.lib.npyio.NpzFile):
        (array,) = array.values()
    if array.ndim != 2:
        raise ValueError(f"an array of the shape {array.shape}")
    return pd.DataFrame(array, columns=numbered(array.shape[1]))


def _mat(path: Path) -> pd.DataFrame:
    content = loadmat(path, variable_names=["X", "y"])
    frame = pd.DataFrame(content["X"], columns=numbered(content["X"].shape[1]))
    return frame.assign(y=content["y"].ravel()) if "y" in content else frame


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
