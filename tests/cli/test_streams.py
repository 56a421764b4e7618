"""Tests that a command goes on without readers, and refuses what its locale cannot read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tf_shortrun.cli import streams
from tf_shortrun.core.errors import InputError

ROOT = Path(__file__).parents[2]
# A command that writes much to both streams, opens a file, and then is done.
COMMAND = """
from tf_shortrun.cli import streams
streams.reopen_closed()
streams.outlive_readers()
import sys
opened = open("file", "w")
for number in range(20000):
    print(number)
    print(number, file=sys.stderr)
print("caf\\xe9 \\u4e2d")
opened.write("done")
"""


def run(tmp_path, redirection, **environment):
    """Runs the command in a shell and returns its exit code, stdout and stderr."""
    line = f"set -o pipefail; {sys.executable} -c '{COMMAND}' {redirection}"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "redirection",
    ["| head -1", "2>&1 | head -1", "2> >(head -1)", ">&-", "2>&-", "<&- >&- 2>&-"],
)
def test_a_command_ends_well_without_readers(tmp_path, redirection):
    code, _, err = run(tmp_path, redirection)
    assert code == 0 and b"Traceback" not in err and b"Exception ignored" not in err
    assert (tmp_path / "file").read_text() == "done"


def test_what_the_encoding_of_a_terminal_lacks_is_escaped(tmp_path):
    ascii_only = {"PYTHONIOENCODING": "ascii"}
    code, out, _ = run(tmp_path, "2>/dev/null | tail -1", **ascii_only)
    assert code == 0 and out == rb"caf\xe9 \u4e2d" + b"\n"


def test_words_that_the_locale_cannot_read_are_refused(monkeypatch):
    streams.check_encoding(["caf\xe9", "plain"])
    with pytest.raises(InputError, match=r"'caf\\udce9' is not UTF-8: rename it"):
        streams.check_encoding(["plain", "caf\udce9"])
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    streams.check_encoding(["plain"])
    with pytest.raises(InputError, match="set PYTHONUTF8=1"):
        streams.check_encoding(["caf\udcc3\udca9"])
