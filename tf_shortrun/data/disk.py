"""Images that are larger than memory: one file in the cache folder, written once and then mapped.

The rows that a batch needs are read from the file, so that a batch is the same function of
(seed, step) as in memory, and a resumed run sees the same batches.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import cache_folder, named, replace_text
from tf_shortrun.data import capacity

Facts = dict  # what is known of the images besides their pixels, as values of JSON


def once(
    key: str, shape: tuple[int, ...], name: str, make: Callable[[np.ndarray], Facts]
) -> tuple[np.ndarray, Facts]:
    """Returns the images uint8 [N, H, W, C] of this key, mapped to memory, and their facts.

    Args:
      key: changes whenever the images would.
      name: of the data, for messages.
      make: fills the array and returns the facts. It is called if there is no file yet; if it
        raises, none is kept. Another process that wants the same images waits.

    Raises:
      InputError: if the folder cannot be written or has too little space.
    """
    path = cache_folder() / f"images_{key}.npy"
    with _alone(path):
        if not path.with_suffix(".json").exists():
            _write(path, shape, name, make)
        facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return np.load(path, mmap_mode="r"), facts


def _write(path: Path, shape: tuple[int, ...], name: str, make: Callable) -> None:
    """Writes both files; that of the facts last, so that it says that all is there."""
    needed, free = capacity.num_bytes(shape), shutil.disk_usage(path.parent).free
    if needed > free:
        raise InputError(
            f"{name}: {shape[0]} images need {needed / 2**30:,.1f} GiB in {path.parent}, which has "
            f"{free / 2**30:,.1f} free: set TF_SHORTRUN_CACHE to a folder with more, or choose a "
            "smaller size"
        )
    pixels = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    try:
        # A full disk is an error here; while a map is written it would be a signal.
        with named(path), path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        facts = make(pixels)
        pixels.flush()
    except BaseException:
        path.unlink()
        raise
    replace_text(path.with_suffix(".json"), json.dumps(facts) + "\n")


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Holds a lock in the block; a process that ends in any way gives it back."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR)
    except OSError as error:
        raise InputError(
            f"the images do not fit into memory, and {path.parent} cannot be written "
            f"({error.strerror}): set TF_SHORTRUN_CACHE to another folder"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
