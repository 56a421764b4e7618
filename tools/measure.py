"""Measures the time by kind of operation and the peak speed of the machine, in TensorFlow."""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import collections
import functools
import itertools
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from tools.timing import measure

SEED = np.zeros(2, np.int32)  # NumPy, since a tensor would fix the devices of the process


def peak_flops(dtype: str) -> dict[str, float]:
    """Measures the best rates of a product of 2048 x 2048 matrices and of 5x5 convolutions.

    The convolutions have 64 feature maps. Rates are in operations per second.
    """

    def convolve(maps, kernel):
        return tf.nn.conv2d(maps, kernel, 1, "SAME")

    def draw(*shape):
        return tf.cast(tf.random.stateless_normal(shape, SEED), dtype)

    matrix, maps, kernel = draw(2048, 2048), draw(100, 16, 16, 64), draw(5, 5, 64, 64)
    works = [
        functools.partial(until_there, tf.function(tf.matmul), matrix, matrix),
        functools.partial(until_there, tf.function(convolve), maps, kernel),
    ]
    counts = {"matrix": 2 * 2048**3, "convolution": 2 * 100 * 16**2 * 64**2 * 25}
    times = measure(works, 20)
    return {name: count / t.low for (name, count), t in zip(counts.items(), times, strict=True)}


def until_there(work: Callable, *arguments):
    """Calls `work` and waits until all its results are computed."""
    tf.nest.map_structure(
        lambda x: x[..., :0].numpy() if x.shape.rank else x.numpy(), work(*arguments)
    )


def seconds_by_kind(work: Callable, num: int = 8) -> dict[str, float]:
    """Returns the seconds of the `num` slowest kinds of operations in `work`, over all threads."""
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            work()
        (file,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(file.read_bytes())
    seconds = collections.Counter()
    for plane in space.planes:
        for event in itertools.chain(*(line.events for line in plane.lines)):
            name = plane.event_metadata[event.metadata_id].name
            # Operations are "name:kind" in a graph and "..._fusion" in code compiled by XLA.
            if found := re.fullmatch(r"[^:]+:(\w+)|(\w+_fusion)", name):
                seconds[found[1] or found[2]] += event.duration_ps * 1e-12
    return dict(seconds.most_common(num))
