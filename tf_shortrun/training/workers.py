"""The machines that train together.

One machine uses all its devices. Several run the same command with TF_CONFIG in the environment,
as TensorFlow's MultiWorkerMirroredStrategy defines it; every one takes its share of each batch.
The first leads: it alone writes to the working directory, draws and judges. The others follow in
a copy of the checkpoints, so the working directory must be one that all can read.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tensorflow as tf


def are_several() -> bool:
    return "TF_CONFIG" in os.environ


def strategy() -> tf.distribute.Strategy:
    """Over all devices; to be called before TensorFlow computes anything."""
    if are_several():
        return tf.distribute.MultiWorkerMirroredStrategy()
    return tf.distribute.MirroredStrategy()


def leads(strategy: tf.distribute.Strategy) -> bool:
    resolver = strategy.cluster_resolver
    return resolver is None or not resolver.task_id


@contextmanager
def following(workdir: Path, fresh: bool) -> Iterator[Path]:
    """A folder with the checkpoints of `workdir` unless `fresh`; nobody will read what it gets."""
    with tempfile.TemporaryDirectory() as folder:
        if not fresh and (workdir / "checkpoints").exists():
            shutil.copytree(workdir / "checkpoints", Path(folder) / "checkpoints")
        yield Path(folder)


def wait(strategy: tf.distribute.Strategy):
    """Until all are here: a machine that leaves takes the others with it."""
    ones = strategy.run(tf.function(lambda: tf.ones([])))
    strategy.reduce("SUM", ones, axis=None)
