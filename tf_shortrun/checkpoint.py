"""Checkpoints that survive crashes: verified when written, walked back when damaged.

`tf.train.latest_checkpoint` starts from scratch without a word when its state file is
damaged, and has no second choice when the newest data are. Here the files themselves
are the list, newest first, and every tensor is read (with its checksum) before use.
"""

import re
import shutil
from pathlib import Path

import tensorflow as tf
from absl import logging

from tf_shortrun.errors import InputError
from tf_shortrun.learners.base import Learner

_KEPT = 3


class Checkpoints:
    """The checkpoints of one run, named by step, the newest three kept."""

    def __init__(self, learner: Learner, folder: Path):
        self._checkpoint = tf.train.Checkpoint(**learner.state)
        self._folder = Path(folder)

    def clear(self):
        """Forgets everything (`--fresh`)."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def save(self, step: int):
        """Writes the state after `step` updates and reads it back.

        Raises:
          InputError: if a variable is not finite; nothing is written then.
          OSError: if what was written cannot be read.
        """
        for name, variable in self._variables():
            if not bool(tf.reduce_all(tf.math.is_finite(variable))):
                raise InputError(
                    f"{name} is not finite after step {step}, nothing was saved: "
                    "lower the step size or the learning rate and run again"
                )
        path = self._folder / f"ckpt-{step:08d}"
        self._checkpoint.write(str(path))
        if not _readable(path):
            raise OSError(f"the checkpoint {path} cannot be read back: is the disk full?")
        for old in self._paths()[_KEPT:]:
            _remove(old)

    def restore(self) -> int:
        """Loads the newest readable checkpoint; returns its step, 0 if there is none.

        Raises:
          InputError: if none can be read, or it belongs to another configuration.
        """
        for leak in self._folder.glob("*_temp*"):  # left by a process killed while saving
            shutil.rmtree(leak, ignore_errors=True)
        paths = self._paths()
        for path in paths:
            if _readable(path):
                self._load(path)
                return _step(path)
            logging.warning("%s is damaged: trying the one before", path)
        if paths:
            raise InputError(f"no checkpoint in {self._folder} can be read: use --fresh to start over")
        return 0

    def _load(self, path: Path):
        try:
            self._checkpoint.restore(str(path)).assert_consumed()
        except (ValueError, AssertionError) as error:
            raise InputError(
                f"{path} belongs to another configuration: use --fresh to start over, "
                "or another --workdir"
            ) from error

    def _paths(self) -> list[Path]:
        found = [p.with_suffix("") for p in self._folder.glob("ckpt-*.index")]
        return sorted((p for p in found if re.fullmatch(r"ckpt-\d+", p.name)), key=_step, reverse=True)

    def _variables(self):
        reader = tf.train.TrackableView(self._checkpoint).descendants()
        for item in reader:
            if isinstance(item, tf.Variable) and item.dtype.is_floating:
                yield item.name, item


def _step(path: Path) -> int:
    return int(path.name.removeprefix("ckpt-"))


def _readable(path: Path) -> bool:
    """Reads every tensor, which checks its checksum."""
    try:
        reader = tf.train.load_checkpoint(str(path))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        logging.debug("%s: %s", path, error)
        return False
    return True


def _remove(path: Path):
    for file in path.parent.glob(path.name + ".*"):
        file.unlink()
