"""The folder of caches, and writing a text file as a whole: nobody ever sees a part of it."""

import contextlib
import os
import shutil
import tempfile
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
    with named(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=_DRAFT) as folder:
        draft = Path(folder) / path.name
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


def sweep(folder: Path) -> None:
    """Deletes the drafts in a folder that a killed process left."""
    for draft in folder.glob(f"{_DRAFT}*"):
        shutil.rmtree(draft, ignore_errors=True)
