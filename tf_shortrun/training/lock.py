"""The lock of a working directory: one process writes there, others may read.

The file `lock` names host, process and the time at which the process started. It is made in one
step, which network disks do as well. A lock whose process is gone, or belongs to a process that
started later and got its number, is taken over. That is known on the same host only: a lock of
another host has to be deleted by hand.
"""

import contextlib
import json
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import parse_json

_LOG = logging.getLogger(__name__)

_MOST_PROCESSES = 2**31


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Holds the lock of a folder, which is made if it is not there, in a `with` block.

    Raises:
      InputError: if another process holds it.
    """
    was_there = workdir.is_dir()
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / "lock"
    _take(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        if not was_there and not any(workdir.iterdir()):
            workdir.rmdir()  # a run that failed before its first step leaves no folder


def _take(path: Path):
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(_owner(os.getpid()), file)
    except FileExistsError:
        owner = _read(path)
        if _is_alive(owner):
            raise InputError(
                f"process {owner.get('process', '?')} on {owner.get('host', '?')} works in "
                f"{path.parent}: wait for it, use another --workdir, or delete {path} if it is gone"
            ) from None
        _LOG.warning("%s was left by process %s: taken over", path, owner.get("process"))
        path.replace(path.with_name("lock.left"))  # one of two that take over fails here
        path.with_name("lock.left").unlink()
        _take(path)


def _owner(process: int) -> dict:
    return {"host": socket.gethostname(), "process": process, "started": _started(process)}


def _read(path: Path) -> dict:
    """Returns the owner; {} if the file cannot be read, since its process died while writing."""
    try:
        owner = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return owner if isinstance(owner, dict) else {}


def _is_alive(owner: dict) -> bool:
    process = owner.get("process")
    if type(process) is not int or not 0 < process < _MOST_PROCESSES:
        return False  # the file is damaged
    if owner.get("host") != socket.gethostname():
        return True  # nobody here can know
    return owner == _owner(process) and bool(owner.get("started"))


def _started(process: int) -> str:
    """Returns when a process started, in ticks since the start of the machine; "" if it is gone.

    Without /proc the answer for a process that lives is "alive".
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        return "alive"
    try:
        # The name in the second field may have spaces; it ends with the last bracket.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return "alive"
