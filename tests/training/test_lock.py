"""One writer in a working directory."""

import json
import os
import socket
import subprocess
import sys

import pytest

from tf_shortrun.core.errors import InputError
from tf_shortrun.training.lock import _owner, locked


def test_a_second_writer_is_refused_in_one_line_and_the_first_goes_on(tmp_path):
    with locked(tmp_path / "run"):
        with pytest.raises(InputError) as error, locked(tmp_path / "run"):
            pass
        line = str(error.value)
        assert f"process {os.getpid()} on {socket.gethostname()}" in line and "\n" not in line
        assert "--workdir" in line and str(tmp_path / "run/lock") in line
        assert (tmp_path / "run/lock").exists()
    assert not (tmp_path / "run").exists()  # it was made for the lock only


def test_the_folder_stays_if_it_was_there_or_was_used(tmp_path):
    with locked(tmp_path):
        pass
    assert tmp_path.is_dir() and not list(tmp_path.iterdir())
    with locked(tmp_path / "new"):
        (tmp_path / "new/file").touch()
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["file"]


def test_the_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        1 / 0  # noqa: B018
    with locked(tmp_path):
        pass


def dead_process():
    """Returns the number of a process that has ended."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


@pytest.mark.parametrize(
    "text",
    [
        "",  # killed between making and writing
        "\x00\x01",
        json.dumps({"host": socket.gethostname(), "process": dead_process(), "started": "5"}),
        json.dumps(_owner(os.getpid()) | {"started": "5"}),  # a new process has the old number
    ],
    ids=["empty", "junk", "dead", "number used again"],
)
def test_the_lock_of_a_dead_owner_is_taken_over_with_a_word(tmp_path, text, caplog):
    (tmp_path / "lock").write_text(text)
    with caplog.at_level("WARNING", "tf_shortrun"), locked(tmp_path):
        assert json.loads((tmp_path / "lock").read_text()) == _owner(os.getpid())
    assert "taken over" in caplog.text


def test_the_lock_of_another_host_is_respected(tmp_path):
    owner = {"host": "elsewhere", "process": 1, "started": "5"}
    (tmp_path / "lock").write_text(json.dumps(owner))
    with pytest.raises(InputError, match="process 1 on elsewhere"), locked(tmp_path):
        pass
