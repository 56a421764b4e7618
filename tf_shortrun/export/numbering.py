"""The numbered versions of a model in one folder, as TensorFlow Serving reads them."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path


def newest(base: Path) -> int:
    """Returns the number of the newest version in the folder, 0 if there is none."""
    return max((int(p.name) for p in base.glob("*") if p.name.isdecimal()), default=0)


@contextlib.contextmanager
def new(base: Path, staging: Path) -> Iterator[tuple[Path, Path]]:
    """Yields a new folder and where it will be: a version more than the newest in `base`.

    It is moved there, at once, if the block succeeds; else nothing of it is left.
    """
    target, folder = base / str(newest(base) + 1), staging / "new"
    shutil.rmtree(staging, ignore_errors=True)  # of an export that was killed
    folder.mkdir(parents=True)
    try:
        yield folder, target
        base.mkdir(exist_ok=True)
        folder.rename(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
