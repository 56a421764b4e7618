"""Arrays that are dear to make, kept on disk between runs."""

import hashlib
import logging
import os
import pathlib
import tempfile
import zipfile
from collections.abc import Sequence

import numpy as np

from tf_shortrun.core.errors import InputError

_LOG = logging.getLogger(__name__)

_DAMAGE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile)


def folder(cache_dir: str | None) -> pathlib.Path:
    """`cache_dir`, else the environment's TF_SHORTRUN_CACHE, else ~/.cache/tf_shortrun."""
    chosen = cache_dir or os.environ.get("TF_SHORTRUN_CACHE") or "~/.cache/tf_shortrun"
    return pathlib.Path(chosen).expanduser()


def fingerprint(arrays: Sequence[np.ndarray], settings: Sequence) -> str:
    """16 hexadecimal digits that change with any array and any setting."""
    digest = hashlib.sha256(repr(settings).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def load(path: pathlib.Path) -> list[np.ndarray] | None:
    """The arrays that `save` wrote, or None where there is no file or a damaged one."""
    if not path.exists():
        return None
    try:
        with np.load(path) as file:
            return [file[f"arr_{i}"] for i in range(len(file.files))]
    except _DAMAGE as error:
        _LOG.warning("%s is damaged (%s) and will be made again", path, type(error).__name__)
        return None


def save(path: pathlib.Path, arrays: Sequence[np.ndarray]) -> None:
    """Writes the whole file or nothing: a reader never sees a half.

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
