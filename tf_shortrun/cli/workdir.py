"""Names of folders: of a run, by its gin files and bindings, and of what is evaluated beside it."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from tf_shortrun.training.configuration import Change

_LONGEST = 60  # characters of the readable part of a name


def of_run(files: Sequence[str], bindings: Sequence[str]) -> Path:
    """Returns runs/<gin files>, and what bindings change: two settings never share a folder."""
    name = "-".join(Path(file).stem for file in files)
    return Path("runs") / "-".join([name, *labels(bindings)])


def of_evaluation(workdir: Path, changes: Sequence[Change]) -> Path:
    """Returns the folder, which exists, for numbers of a run under changed settings."""
    if not changes:
        return workdir
    words = labels([f"{change.name}={change.now}" for change in changes])
    place = workdir / "evaluations" / "-".join(words)
    place.mkdir(parents=True, exist_ok=True)
    return place


def labels(changes: Sequence[str]) -> list[str]:
    """Returns a readable part and a digest of settings `name = value`; nothing without any.

    The readable part has the last words of names, e.g. step_size=0.02, and no character that
    needs quotes in a shell.
    """
    if not changes:
        return []
    # What has no value is an include or an import.
    pairs = [tuple(map(str.strip, change.split("=", 1))) for change in changes]
    words = ["=".join([name.rpartition(".")[2], *value]) for name, *value in pairs]
    readable = re.sub(r"[^\w.=+-]+", "_", "-".join(words)).strip("_")[:_LONGEST]
    return [readable, hashlib.sha256(repr(pairs).encode()).hexdigest()[:6]]
