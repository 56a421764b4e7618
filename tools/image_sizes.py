"""Measures what `tf-shortrun --images` costs at several sizes of images, as a table in Markdown.

    python -m tools.image_sizes 16x16 32x32 64x64 48x64 [--updates=5]

Each size is measured in a process of its own, on noise images in colour: parameters of the
generator, the largest resident memory while it is built and makes updates, and the least of the
times of the updates, without the first one, which compiles. Neither evals nor pictures are made.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import argparse
import json
import subprocess
import sys
import time

import numpy as np
import tensorflow as tf

from tf_shortrun.cli import config, own_images
from tf_shortrun.core import noise, usage
from tf_shortrun.networks import sides
from tf_shortrun.training.steps import make_steps
from tools import command

NOISE = "gin/data/noise.gin"
HEAD = "size | base maps | doublings | parameters | peak memory, GiB | seconds an update"


def measure(shape: tuple[int, ...], num_updates: int) -> dict[str, float]:
    """Returns parameters, peak memory in GiB and seconds an update of the default method."""
    experiment = config.load([own_images.FILE, NOISE], [f"IMAGE_SHAPE = {shape}"])
    strategy = tf.distribute.get_strategy()
    learner = experiment.build(strategy)
    update = make_steps(strategy, learner, noise.make_seed(0))(1)
    batches = iter(experiment.dataset.train_batches(experiment.examples_per_update, seed=0))
    seconds = []
    for step in range(num_updates + 1):
        batch, start = next(batches), time.perf_counter()
        float(update(batch, tf.constant(step))["loss"])  # waits until it is there
        seconds.append(time.perf_counter() - start)
    parameters = sum(int(np.prod(v.shape)) for v in learner.model.trainable_variables)
    peak = usage.peak_memory_gib()
    return {"parameters": parameters, "peak": peak, "seconds": min(seconds[1:])}


def _row(size: str, num_updates: int) -> str:
    """Measures in a new process, because the peak of memory is that of a process."""
    line = [sys.executable, "-m", "tools.image_sizes", size, f"--updates={num_updates}", "--one"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    found, shape = json.loads(done.stdout.splitlines()[-1]), own_images.sides_of(size)
    num = sides.num_halvings(shape)
    base = "{} x {}".format(*sides.halved(shape, num))
    numbers = f"{found['parameters']:,} | {found['peak']:.1f} | {found['seconds']:.1f}"
    return f"| {shape[0]} x {shape[1]} | {base} | {num} | {numbers} |"


def _work(options: argparse.Namespace) -> None:
    if options.one:
        shape = (*own_images.sides_of(options.sizes[0]), 3)
        print(json.dumps(measure(shape, options.updates)))
        return
    print(f"| {HEAD} |\n|{' --- |' * 6}")
    for size in options.sizes:
        print(_row(size, options.updates), flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("image_sizes", __doc__)
    parser.add_argument("sizes", nargs="+", help="HEIGHTxWIDTH each")
    parser.add_argument("--updates", type=int, default=5, help="updates that are timed")
    parser.add_argument("--one", action="store_true", help="measure the first size here, as JSON")
    return command.run(parser, _work, arguments)


if __name__ == "__main__":
    sys.exit(main())
