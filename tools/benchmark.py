"""How long a Langevin step takes, and how far that is from what the machine can do.

    python -m tools.benchmark --gin_file=reproduce/celeba32.gin [--json=FILE]

Chains of K steps are timed in turn for several K, and t = a + b K fitted to the medians: b is the
time of one Langevin step (the gradient of the log joint in all latents, and the update), a what a
chain costs besides. An update of the parameters is a training step less its chain. Arithmetic is
counted by TensorFlow's profiler in the graph of one gradient: a multiplication and an addition are
two. The reference is the best rate that this run measures for a large matrix product and for a
convolution of 64 channels. Images are noise, so no data set is needed.
"""

import tf_shortrun.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import argparse
import functools
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_shortrun import config, noise, provenance
from tf_shortrun.errors import InputError
from tf_shortrun.learners.base import HasDensity, RunsChain
from tf_shortrun.train import compile_step

NOISE = "gin/data/noise.gin"
SHARES = (0.25, 0.5, 1.0)  # of the K of training
SEED = noise.make_seed(0)


class Times(NamedTuple):
    """Seconds: median, and the quartiles around it."""

    median: float
    low: float
    high: float


def measure(works: Sequence[Callable], repeats: int) -> list[Times]:
    """Times of each, taken in turn (A B A B), so that a busy moment hits all; warm."""
    for work in works:
        work()
    seconds = np.empty((repeats, len(works)))
    for r in range(repeats):
        for i, work in enumerate(works):
            start = time.perf_counter()
            work()
            seconds[r, i] = time.perf_counter() - start
    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75], axis=0)
    return [Times(*map(float, times)) for times in zip(median, low, high, strict=True)]


def fit(num_steps: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """(a, b) of t = a + b K by least squares."""
    b, a = np.polyfit(num_steps, seconds, 1)
    return float(a), float(b)


def count_flops(work: Callable, *arguments: tf.Tensor) -> int:
    """Operations of the graph of `work`; loops are counted once."""
    graph = tf.function(work, autograph=False).get_concrete_function(*arguments).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def peak_flops() -> float:
    """The best rate of a product of 2048 x 2048 matrices and of 5x5 convolutions, float32."""

    def convolve(maps, kernel):
        return tf.nn.conv2d(maps, kernel, 1, "SAME")

    matrix = tf.random.stateless_normal([2048, 2048], SEED)
    maps = tf.random.stateless_normal([100, 16, 16, 64], SEED)
    kernel = tf.random.stateless_normal([5, 5, 64, 64], SEED)
    works = [
        functools.partial(tf.function(tf.matmul), matrix, matrix),
        functools.partial(tf.function(convolve), maps, kernel),
    ]
    counts = [2 * 2048**3, 2 * 100 * 16**2 * 64**2 * 25]
    times = measure([functools.partial(_run, work) for work in works], 7)
    return max(count / t.low for count, t in zip(counts, times, strict=True))


def benchmark(experiment, learner, strategy, repeats: int) -> dict:
    """All numbers, by the names of the file."""
    k = learner.inference.num_steps
    shape = [experiment.batch_size, *learner.image_shape]
    batch = {"image": tf.random.stateless_uniform(shape, SEED, -1.0, 1.0)}
    train = compile_step(strategy, learner.train_step, SEED)
    start = time.perf_counter()
    _run(train, batch, tf.constant(0))
    first = time.perf_counter() - start
    chains = [tf.function(_chain(learner, share), autograph=False) for share in SHARES]
    works = [functools.partial(_run, chain, batch, SEED) for chain in chains]
    works.append(functools.partial(_run, train, batch, tf.constant(1)))
    *times, update = measure(works, repeats)
    a, b = fit([round(share * k) for share in SHARES], [t.median for t in times])
    latents = learner.sample_latents(experiment.batch_size, SEED)
    flops, peak = count_flops(_gradient(learner, batch), *latents), peak_flops()
    return {
        "seconds_per_langevin_step": b,
        "seconds_per_chain_besides": a,
        "seconds_per_update": update.median - times[-1].median,
        "compile_seconds": first - update.median,
        "peak_rss_bytes": int(provenance.peak_memory_gib() * 2**30),
        "flops_per_step": flops,
        "achieved_flops": flops / b,
        "measured_peak_flops": peak,
        "seconds_per_training_step": update._asdict(),
        "seconds_per_chain": {
            round(s * k): t._asdict() for s, t in zip(SHARES, times, strict=True)
        },
    }


def _chain(learner: RunsChain, share: float) -> Callable:
    return lambda batch, seed: learner.infer(batch, seed, share)


def _gradient(learner: HasDensity, batch) -> Callable:
    def gradient(*latents):
        with tf.GradientTape() as tape:
            tape.watch(latents)
            log_joint = tf.reduce_sum(learner.log_joint(list(latents), batch))
        return tape.gradient(log_joint, latents)

    return gradient


def _run(work: Callable, *arguments):
    """Until all it makes is there."""
    tf.nest.map_structure(
        lambda x: x[..., :0].numpy() if x.shape.rank else x.numpy(), work(*arguments)
    )


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark")
    parser.add_argument("--gin_file", action="append", required=True, help="its data become noise")
    parser.add_argument("--gin_bindings", action="append", default=[], help="overrides")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each, in turn")
    options = parser.parse_args(arguments)
    try:
        experiment = config.load([*options.gin_file, NOISE], options.gin_bindings)
        strategy = tf.distribute.MirroredStrategy()
        learner = experiment.build(strategy)
        if not (isinstance(learner, RunsChain) and isinstance(learner, HasDensity)):
            raise InputError(f"{type(learner).__name__} runs no Langevin chain: choose another pin")
        numbers = benchmark(experiment, learner, strategy, options.repeats)
    except InputError as error:
        print(f"tools.benchmark: {error}", file=sys.stderr)
        return 2
    numbers |= {"hardware": provenance.hardware(), "commit": provenance.commit()}
    print("\n".join(f"{name:28} {value}" for name, value in numbers.items()))
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
