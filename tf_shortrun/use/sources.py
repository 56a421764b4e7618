"""What a user gives to a verb: pictures, folders, zip files or arrays, as observations."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import decoding, loading, table_file
from tf_shortrun.data.columns import Columns
from tf_shortrun.data.image_source import Source, open_source, some
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.use.run import Run

_ARRAYS = (".npy", ".npz")


class Given(NamedTuple):
    """Observations with a name for each.

    x: uint8 or float32 [N, ...].
    """

    names: list[str]
    x: np.ndarray


def read(run: Run, paths: Sequence[str]) -> Given:
    """Returns the observations at these paths, pictures prepared as in training.

    A path is a picture, a folder or a zip file of pictures, or an array: a .npy, or a .npz with one
    array or one that is called images. For a run on a table it is a table, in its own units.

    Raises:
      InputError: if nothing is there, something cannot be read, or the run takes no pictures.
    """
    parts = [_one(run, path) for path in paths]
    if len({part.x.dtype for part in parts}) > 1 or len({part.x.shape[1:] for part in parts}) > 1:
        raise InputError("pictures and arrays of several kinds: give those of one kind at a time")
    names = [name for part in parts for name in part.names]
    return Given(names, np.concatenate([part.x for part in parts]))


def read_arrays(path: str) -> dict[str, np.ndarray]:
    """Returns the arrays of a .npy or .npz file by name; that of a .npy is called `images`.

    Raises:
      InputError: if it is no such file; arrays of Python objects are refused.
    """
    try:
        found = np.load(path)  # refuses pickles
        return dict(found) if path.endswith(".npz") else {"images": found}
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: give a .npy or .npz file") from None
    except decoding.UNREADABLE as error:
        raise InputError(f"{path} cannot be read as arrays of numbers: {error}") from error


def read_mask(path: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns a mask [1, H, W, 1], true where a pixel is seen: white in a picture.

    A picture must have the size of the observations, because a mask is not resized.

    Raises:
      InputError: if it cannot be read or has another size.
    """
    if path.endswith(_ARRAYS):
        mask = _only(path, read_arrays(path)).astype(bool)
    else:
        mask = loading.read_one(path) > 127
    if mask.size != shape[0] * shape[1]:
        raise InputError(
            f"{path} has the shape {mask.shape}: give a mask of {shape[0]} x {shape[1]} pixels, "
            "white where the image is seen"
        )
    return mask.reshape(1, *shape[:2], 1)


def _one(run: Run, path: str) -> Given:
    """Returns the observations at one path."""
    if isinstance(run.preparation, Columns):
        x = run.preparation(table_file.rows_for(path, run.preparation))
    elif path.endswith(_ARRAYS):
        x = _only(path, read_arrays(path))
    else:
        return _pictures(run, path)
    return Given([f"{Path(path).stem}_{i}" for i in range(len(x))], x)


def _only(path: str, arrays: dict[str, np.ndarray]) -> np.ndarray:
    if "images" in arrays:
        return arrays["images"]
    if len(arrays) != 1:
        raise InputError(f"{path} has {', '.join(arrays)}: name one of them images")
    return next(iter(arrays.values()))


def _pictures(run: Run, path: str) -> Given:
    if not isinstance(run.preparation, Preparation):
        raise InputError(
            f"how {path} becomes an observation of this run is not known: give a .npy or .npz"
        )
    source = _one_file(Path(path)) if loading.is_picture(path) else open_source(path)
    loaded = loading.load(source, source.names, run.preparation)
    if loaded.unreadable:
        named = [f"{source.names[i]} ({why})" for i, why in loaded.unreadable.items()]
        raise InputError(f"cannot read {some(named)} in {source.path}: mend or remove them")
    return Given(list(source.names), loaded.pixels)


def _one_file(path: Path) -> Source:
    return Source(
        path.parent,
        [path.name],
        lambda _: path.stat().st_size,
        lambda _: path.read_bytes(),
        lambda _: path.stat().st_mtime_ns,
        {},
    )
