"""Child processes that do not outlive their parent: a stopped study leaves nothing that trains."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1

_children: set[subprocess.Popen] = set()
_stopped = threading.Event()


def run(command: list[str], out: TextIO, cores: set[int]) -> int:
    """Runs a command on these cores, output to `out`, and returns its code.

    After the parent was told to end, no child begins any more.
    """
    if _stopped.is_set():
        return -signal.SIGTERM
    parent = os.getpid()

    def prepare():  # in the child
        os.sched_setaffinity(0, cores)
        end_with_parent(signal.SIGTERM)
        if os.getppid() != parent:  # it died before that
            os._exit(1)

    child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, preexec_fn=prepare)
    _children.add(child)
    try:
        return child.wait()
    finally:
        _children.discard(child)


def stopped() -> bool:
    """Returns whether the parent was told to end."""
    return _stopped.is_set()


def end_with_parent(number: int) -> None:
    """Lets the kernel of Linux send this process a signal when its parent is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


@contextlib.contextmanager
def ended_with_us() -> Iterator[None]:
    """Passes signals that end this process on to its children, and waits for them in the block."""
    _stopped.clear()

    def stop(number, _):
        _stopped.set()
        for child in list(_children):
            child.send_signal(number)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if _stopped.is_set():
        sys.exit(1)
