"""Checkpoints that survive crashes: verified when written, an older one used if one is damaged.

`tf.train.latest_checkpoint` silently starts from scratch when its state file is damaged.
It does not try an older checkpoint when the data of the newest one are damaged. This module
lists the checkpoint files themselves, newest first, and reads every tensor (with its
checksum) before use.
"""

import errno
import logging
import os
import re
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import DivergenceError, InputError
from tf_shortrun.core.learning_rates import LearningRates
from tf_shortrun.training import variables

_LOG = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run, named by step. Only the newest `num_kept` are kept."""

    def __init__(self, learner: Learner, folder: Path, num_kept: int = 3):
        self._num_kept = num_kept
        self._state = learner.state
        self._checkpoint = tf.train.Checkpoint(**learner.state)
        self.folder = Path(folder)

    @property
    def exist(self) -> bool:
        """Whether there are any, damaged or not."""
        return bool(self._paths())

    def save(self, step: int):
        """Writes the state after `step` updates and reads it back to verify it.

        Raises:
          DivergenceError: if a variable is not finite. No checkpoint is kept then.
          OSError: if the checkpoint cannot be written, or not be read again. Those before stay.
        """
        path = self.folder / f"ckpt-{step:08d}"
        try:
            self._checkpoint.write(str(path))
        except tf.errors.OpError as error:
            raise self._failed(path, error.message.splitlines()[0]) from error
        values = _read(path)
        if values is None:
            raise self._failed(path, "cannot be read again")
        if not _is_finite(values):
            _remove(path)
            what = variables.first_not_finite(self._state) or "a weight"
            raise DivergenceError(f"{what} not finite", step)
        for old in self._paths()[self._num_kept :]:
            _remove(old)

    def check_space(self):
        """Raises OSError if the disk has no space for a checkpoint beside those that are kept."""
        place = next(p for p in (self.folder, *self.folder.parents) if p.exists())
        if shutil.disk_usage(place).free < self._num_bytes:
            raise self._failed(self.folder, "no space left on the disk", errno.ENOSPC)

    def sweep(self):
        """Deletes what a process left that was killed while saving. Only the writer may call it."""
        for leak in self.folder.glob("*_temp*"):
            shutil.rmtree(leak, ignore_errors=True)

    def restore(self) -> int:
        """Loads the newest readable checkpoint and returns its step, or 0 without checkpoints.

        Raises:
          InputError: if there are checkpoints but none can be read, or if the checkpoint
            belongs to another configuration.
        """
        paths = self._paths()
        for path in paths:
            if _is_finite(_read(path)):
                self._load(path)
                return _step(path)
            _LOG.warning("checkpoint %s is damaged: trying the previous checkpoint", path)
        if paths:
            raise InputError(
                f"no checkpoint in {self.folder} can be read: use --fresh to start over"
            )
        return 0

    def _load(self, path: Path):
        rates = LearningRates(variables.optimizers(self._state))
        try:
            self._checkpoint.read(str(path)).assert_consumed()
        except (ValueError, AssertionError) as error:
            raise InputError(
                f"{path} belongs to another configuration: use --fresh to start over, "
                "or another --workdir"
            ) from error
        rates.set()  # the configuration overrides the checkpoint

    @property
    def _num_bytes(self) -> int:
        return sum(np.asarray(v).nbytes for _, v in variables.named(self._state))

    def _failed(self, path: Path, reason: str, number: int = errno.EIO) -> OSError:
        return OSError(number, f"{reason}; a checkpoint has {self._num_bytes:,} bytes", str(path))

    def _paths(self) -> list[Path]:
        """Returns the checkpoints, newest first.

        Raises:
          InputError: if the folder cannot be read, or has data of checkpoints but no index: to
            start from 0 would lose a run.
        """
        try:
            names = os.listdir(self.folder) if os.path.lexists(self.folder) else []
        except OSError as error:
            raise InputError(
                f"{self.folder} cannot be read ({error.strerror}): mend it, or choose another "
                "--workdir"
            ) from error
        indices = [name for name in names if re.fullmatch(r"ckpt-\d+\.index", name)]
        if not indices and any(re.match(r"ckpt-\d+\.data", name) for name in names):
            raise InputError(
                f"{self.folder} has data of checkpoints but no index: bring the .index files "
                "back, or use --fresh to start over"
            )
        paths = [self.folder / name.removesuffix(".index") for name in indices]
        return sorted(paths, key=_step, reverse=True)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("ckpt-"))


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """Returns every tensor of a checkpoint, checksums verified, or None if it is damaged."""
    try:
        reader = tf.train.load_checkpoint(str(path))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, IndexError, ValueError, RuntimeError) as error:
        _LOG.debug("%s: %s", path, error)
        return None


def _is_finite(values: dict[str, np.ndarray] | None) -> bool:
    return values is not None and all(map(variables.is_finite, values.values()))


def _remove(path: Path):
    for file in path.parent.glob(path.name + ".*"):
        file.unlink()
