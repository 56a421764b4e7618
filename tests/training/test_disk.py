"""A disk that is full or that refuses: one line with path and bytes, and the state stays good."""

import errno
import shutil
import subprocess

import pytest
import tensorflow as tf

from tf_shortrun.training.checkpoint import Checkpoints
from toy_training import experiment, rows, run


@pytest.fixture
def small_disk(tmp_path):
    """Returns a folder with 2 MiB of space, where that can be had."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder, leave):
    with (folder / "filler").open("wb") as file:
        file.write(bytes(shutil.disk_usage(folder).free - leave))


@pytest.mark.parametrize("pages", [1, 2, 3, 4])  # other files fail
def test_a_disk_that_becomes_full_ends_the_run_in_one_line_and_it_goes_on_later(
    small_disk, one_replica, pages
):
    run(small_disk, 4, one_replica)
    fill(small_disk, leave=pages * 4096)
    with pytest.raises(OSError) as error:
        run(small_disk, 8, one_replica)
    assert error.value.errno in (errno.ENOSPC, errno.EIO)
    assert str(error.value.filename).startswith(str(small_disk))
    learner = experiment(8).build(one_replica)
    assert Checkpoints(learner, small_disk / "checkpoints").restore() == 4
    (small_disk / "filler").unlink()
    run(small_disk, 8, one_replica)
    assert not list((small_disk / "checkpoints").glob("*_temp*"))
    assert [row["step"] for row in rows(small_disk)] == [2, 4, 6, 8]


def test_a_disk_without_space_for_a_checkpoint_is_known_before_the_first_step(
    small_disk, one_replica
):
    fill(small_disk, leave=0)
    with pytest.raises(OSError) as error:
        run(small_disk / "run", 4, one_replica)
    assert "space" in error.value.strerror.lower()


def test_an_error_of_tensorflow_while_writing_is_one_of_the_system(
    tmp_path, one_replica, monkeypatch
):
    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device\nmore")

    learner = experiment(4).build(one_replica)
    checkpoints = Checkpoints(learner, tmp_path)
    monkeypatch.setattr(checkpoints._checkpoint, "write", full)
    with pytest.raises(OSError) as error:
        checkpoints.save(3)
    assert error.value.strerror.startswith("No space left on device; a checkpoint has")
    assert error.value.filename == str(tmp_path / "ckpt-00000003")
