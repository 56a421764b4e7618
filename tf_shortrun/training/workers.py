"""Training on one machine or on several machines together.

A single machine uses all its devices. Several machines run the same command with TF_CONFIG in the
environment, as TensorFlow's MultiWorkerMirroredStrategy defines it. Each machine takes its share of
each batch. The first machine leads: only it writes to the working directory, draws pictures and
evaluates. The others (followers) train in a temporary folder with a copy of the checkpoints.
Therefore all machines must be able to read the working directory.
"""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf

from tf_shortrun.core.errors import InputError

_LOG = logging.getLogger(__name__)


def are_several() -> bool:
    """Returns whether several machines train together."""
    return "TF_CONFIG" in os.environ


def strategy() -> tf.distribute.Strategy:
    """Returns a strategy over all devices. Call it before TensorFlow computes anything."""
    if are_several():
        _check_cluster(os.environ["TF_CONFIG"])
        _LOG.info("waiting for all machines of TF_CONFIG")
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy()


def _check_cluster(text: str):
    """Raises InputError if this is not a cluster as TensorFlow defines it."""
    try:
        content = json.loads(text)
        machines, task = content["cluster"], content["task"]
        is_cluster = machines.keys() <= {"chief", "worker"}
        is_cluster &= ":" in dict(enumerate(machines[task["type"]]))[task["index"]]
    except (ValueError, TypeError, LookupError, AttributeError):
        is_cluster = False
    if not is_cluster:
        raise InputError(
            f"TF_CONFIG is {text[:60]!r}: unset it to train on one machine, or give "
            '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'
        )


def leads(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this machine is the first one, or the only one.

    The first machine is the chief, or worker 0 in a cluster without a chief.
    """
    resolver = strategy.cluster_resolver
    if resolver is None or not resolver.task_type:
        return True
    first = "chief" if "chief" in resolver.cluster_spec().jobs else "worker"
    return (resolver.task_type, resolver.task_id) == (first, 0)


@contextmanager
def following(workdir: Path, fresh: bool) -> Iterator[Path]:
    """Yields a temporary folder with a copy of the checkpoints of `workdir`, unless `fresh`.

    Without what a killed process left, which the first machine deletes meanwhile. The folder is
    deleted at the end of the block.
    """
    with tempfile.TemporaryDirectory() as folder:
        if not fresh and (workdir / "checkpoints").exists():
            leaks = shutil.ignore_patterns("*_temp*")
            shutil.copytree(workdir / "checkpoints", Path(folder) / "checkpoints", ignore=leaks)
        yield Path(folder)
