"""The folder of caches, files of which nobody ever sees a part, and reading damaged ones."""

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_DRAFT = ".draft-"


def cache_folder() -> Path:
    """Returns the folder of the environment variable TF_SHORTRUN_CACHE, else a default.

    The default is ~/.cache/tf_shortrun.
    """
    return Path(os.environ.get("TF_SHORTRUN_CACHE") or "~/.cache/tf_shortrun").expanduser()


def replace_text(path: Path, text: str) -> None:
    """Writes a text file aside, to the disk, and then in place of the old one."""
    with named(path), drafting(path.parent) as folder:
        draft = folder / path.name
        with draft.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Adds the name of the file to an error in the block: of a full disk Python tells none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


@contextlib.contextmanager
def drafting(folder: Path) -> Iterator[Path]:
    """Yields a folder in `folder` for drafts, which is deleted after the block."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=_DRAFT) as place:
        yield Path(place)


def sweep(folder: Path, least_age: float = 0.0) -> None:
    """Deletes the drafts in a folder that a killed process left.

    Args:
      least_age: seconds; where other processes write too, theirs are younger.
    """
    for draft in folder.glob(f"{_DRAFT}*"):
        with contextlib.suppress(OSError):  # somebody else has deleted it
            if time.time() - draft.stat().st_mtime >= least_age:
                shutil.rmtree(draft, ignore_errors=True)


def parse_json(text: str | bytes):
    """Returns what a JSON text says.

    Raises:
      ValueError: if it is none, or nests too deeply to be read.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it nests too deeply") from error
