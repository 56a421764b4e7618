"""Children of a study end with it, be it told to end or killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARENT = """
import os, pathlib, sys
from tools import children
with children.ended_with_us(), open(os.devnull, "w") as out:
    say = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    for _ in range(2):  # the second must not begin
        children.run([sys.executable, "-c", say, sys.argv[1]], out, os.sched_getaffinity(0))
"""


def is_there(process: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_parent_that_ends_leaves_no_child(tmp_path, number):
    said = tmp_path / "child"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(said)], cwd=ROOT)
    while not (said.exists() and said.read_text()):
        assert parent.poll() is None
        time.sleep(0.02)
    child = int(said.read_text())
    said.unlink()
    os.kill(parent.pid, number)
    assert parent.wait(timeout=30) in (1, -number)
    for _ in range(200):
        if not is_there(child):
            break
        time.sleep(0.05)
    assert not is_there(child) and not said.exists()
