"""A disk cache between runs, for arrays that are expensive to compute."""

import hashlib
import logging
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Sequence

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import cache_folder

_LOG = logging.getLogger(__name__)

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


def save(path: pathlib.Path, arrays: Sequence[np.ndarray]) -> None:
    """Writes the arrays to a file; a reader never sees a partial file.

    Raises:
      InputError: if the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            whole = pathlib.Path(scratch) / path.name
            np.savez(whole, *arrays)
            os.replace(whole, path)
    except OSError as error:
        raise InputError(
            f"cannot write the cache {path}: {error.strerror}; set cache_dir or TF_SHORTRUN_CACHE"
        ) from error
