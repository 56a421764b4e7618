"""A disk cache between runs, for arrays that are expensive to compute."""

import contextlib
import hashlib
import logging
import os
import pathlib
import zipfile
from collections.abc import Iterator, Sequence

import numpy as np

from tf_shortrun.core import files
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import cache_folder

_LOG = logging.getLogger(__name__)

_DAY = 86400.0  # seconds; nobody writes a file for so long
_DAMAGE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)


def folder(cache_dir: str | None) -> pathlib.Path:
    """Returns `cache_dir`, else the folder of all caches, see `core/files.py`."""
    return pathlib.Path(cache_dir).expanduser() if cache_dir else cache_folder()


def fingerprint(arrays: Sequence[np.ndarray], settings: Sequence) -> str:
    """Returns 16 hexadecimal digits that change with any array and any setting."""
    digest = hashlib.sha256(repr(settings).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def load(path: pathlib.Path) -> list[np.ndarray] | None:
    """Returns the arrays that `save` wrote, or None if the file is missing or damaged."""
    if not path.exists():
        return None
    try:
        with np.load(path) as file:
            return [file[f"arr_{i}"] for i in range(len(file.files))]
    except _DAMAGE as error:
        _LOG.warning("%s is damaged (%s) and will be computed again", path, type(error).__name__)
        return None


def check(path: pathlib.Path) -> None:
    """Checks that a file can be read or written, and deletes what killed processes left.

    Raises:
      InputError: as `save` does.
    """
    files.sweep(path.parent, _DAY)
    if load(path) is None:
        with _drafting(path):
            pass


def save(path: pathlib.Path, arrays: Sequence[np.ndarray]) -> None:
    """Writes the arrays to a file; a reader never sees a partial file.

    Raises:
      InputError: if the folder cannot be written.
    """
    with _drafting(path) as folder:
        whole = folder / path.name
        np.savez(whole, *arrays)
        os.replace(whole, path)


@contextlib.contextmanager
def _drafting(path: pathlib.Path) -> Iterator[pathlib.Path]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.drafting(path.parent) as folder:
            yield folder
    except OSError as error:
        raise InputError(
            f"cannot write the cache {path}: {error.strerror}; set cache_dir or TF_SHORTRUN_CACHE"
        ) from error
