"""Measures the time of a Langevin step, and compares it with the peak speed of the machine.

    python -m tools.benchmark --gin_file=reproduce/celeba32.gin [--json=FILE] [--peer=torch]

Chains of K steps are timed in turn for several K, and t = a + b K is fitted to the medians: b is
the time of one Langevin step (the gradient of the log joint in all latents, and the update), and a
is the fixed cost of a chain. The time of a parameter update is that of a training step with a chain
of one step, minus b. The operations of a Langevin step are those that TensorFlow's profiler counts
in one log joint, times 2, because the backward pass to the latents costs as much as the forward
pass. A multiplication and an addition are two operations. The reference is the best rate that this
run measures for a large matrix product and for a convolution of 64 channels, in the type that the
network computes in. Peak memory is that of the first training step, including its compilation. Page
faults and the kernel's share of CPU time are those of training steps. Images are noise, so no data
set is needed. With --peer=torch the same network in PyTorch (`tools/torch_peer.py`) is measured in
turn with ours, with the same allocator settings, in bfloat16 only if the processor has instructions
for it. With --rounds=N everything is measured N times with kept memory and N times without
(`core/allocator.py`), in turn, each time in a new process.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import argparse
import contextlib
import copy
import dataclasses
import functools
import itertools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core import usage
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import HasDensity, RunsChain
from tf_shortrun.core.flops import count_flops
from tf_shortrun.networks.precision import compute_dtype
from tf_shortrun.reporting import provenance
from tf_shortrun.training.steps import compile_step
from tools import command, memory, peer
from tools.measure import SEED, peak_flops, seconds_by_kind, until_there
from tools.peer_process import Process, beside, variants
from tools.timing import fit, measure

NOISE = "gin/data/noise.gin"
SHARES = (0.25, 0.5, 1.0)  # chain lengths to time, as shares of K in training


def benchmark(experiment, learner, strategy, repeats: int, process: Process | None) -> dict:
    """Returns all measurements, by their names in the JSON file."""
    k, batch = learner.inference.num_steps, images(experiment, learner)
    shared = _shared(strategy, batch)
    train = compile_step(strategy, learner.train_step, SEED, experiment.jit_compile)
    start = time.perf_counter()
    until_there(train, shared, tf.constant(0))
    first, resident = time.perf_counter() - start, usage.peak_memory_gib()
    counts = [max(1, round(share * k)) for share in SHARES]
    jit = {"autograph": False, "jit_compile": experiment.jit_compile or None}
    chains = [tf.function(_chain(learner, n / k), **jit) for n in counts]
    works = [functools.partial(until_there, chain, batch, SEED) for chain in chains]
    short = copy.copy(learner)
    short.inference = dataclasses.replace(learner.inference, num_steps=1)
    brief = compile_step(strategy, short.train_step, SEED, experiment.jit_compile)
    works += [functools.partial(until_there, f, shared, tf.constant(1)) for f in (train, brief)]
    if process:
        pairs = itertools.product(variants(), (counts[0], "update"))
        works += [functools.partial(process.do, *pair) for pair in pairs]
    times = measure(works, repeats)
    chained, (update, once), theirs = times[:3], times[3:5], times[5:]
    a, b = fit(counts, [t.median for t in chained])
    one = {"image": batch["image"][:1]}  # the profiler counts a loop over batch parts only once
    latents = learner.sample_latents(1, SEED)
    forward = count_flops(lambda *z: learner.log_joint(list(z), one), *latents)
    forward *= experiment.examples_per_update
    flops = 2 * forward  # the backward pass multiplies by the transpose of every matrix
    dtype = compute_dtype(learner.model)
    peak = peak_flops(dtype)
    numbers = {
        "seconds_per_langevin_step": b,
        "seconds_per_chain_besides": a,
        "seconds_per_update": once.median - b,
        **_usage(works[3], repeats),
        "compile_seconds": first - update.median,
        "peak_rss_bytes": int(resident * 2**30),
        "flops_per_step": flops,
        "flops_per_training_step": k * flops + 3 * forward,
        "achieved_flops": flops / b,
        "measured_peak_flops": max(peak.values()),
        "num_replicas": strategy.num_replicas_in_sync,
        "network_computes_in": dtype,
        "share_of_peak": {name: flops / b / rate for name, rate in peak.items()},
        "seconds_per_training_step": update._asdict(),
        "seconds_per_chain": {n: t._asdict() for n, t in zip(counts, chained, strict=True)},
    }
    seconds = seconds_by_kind(works[0])
    numbers["seconds_by_kind"] = {kind: t / counts[0] for kind, t in seconds.items()}
    if process:
        numbers["torch"] = beside(variants(), theirs, counts[0], b, numbers["seconds_per_update"])
    return numbers


def _usage(train: Callable, num_steps: int) -> dict[str, float]:
    train()  # the heap grows once more after other work
    before = usage.Usage.now()
    for _ in range(num_steps):
        train()
    return usage.Usage.now().per_step(before, num_steps)


def images(experiment, learner) -> dict[str, tf.Tensor]:
    """Returns a batch of noise images."""
    shape = [experiment.examples_per_update, *learner.image_shape]
    return {"image": tf.random.stateless_uniform(shape, SEED, -1.0, 1.0)}


def _shared(strategy: tf.distribute.Strategy, batch):
    """Returns a batch, distributed over the replicas."""
    dataset = tf.data.Dataset.from_tensors(batch)
    return next(iter(strategy.experimental_distribute_dataset(dataset)))


def _strategy(num_replicas: int) -> tf.distribute.Strategy:
    """Returns the strategy of training, or one over `num_replicas` logical CPU devices."""
    if num_replicas == 1:
        return tf.distribute.MirroredStrategy()
    cpu, *_ = tf.config.list_physical_devices("CPU")
    parts = [tf.config.LogicalDeviceConfiguration()] * num_replicas
    tf.config.set_logical_device_configuration(cpu, parts)
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(num_replicas)])


def _chain(learner: RunsChain, share: float) -> Callable:
    return lambda batch, seed: learner.infer_by_chain(batch, seed, share)


@contextlib.contextmanager
def _peer(experiment, learner) -> Iterator[Process]:
    with tempfile.TemporaryDirectory() as folder:
        file, image = Path(folder) / "network.npz", images(experiment, learner)["image"]
        peer.write(file, learner.model, float(learner.inference.step_sizes(1)[0, 0]), image.numpy())
        with Process(file) as process:
            yield process


def _measure(options: argparse.Namespace) -> dict:
    strategy = _strategy(options.replicas)
    experiment = config.load([*options.gin_file, NOISE], options.gin_bindings)
    learner = experiment.build(strategy)
    for capability in (RunsChain, HasDensity):
        require(learner, capability, "the benchmark")
    with contextlib.ExitStack() as stack:
        process = stack.enter_context(_peer(experiment, learner)) if options.peer else None
        return benchmark(experiment, learner, strategy, options.repeats, process)


def _without_rounds(options: argparse.Namespace) -> list[str]:
    """Returns the arguments without --rounds and --json, for one run of a comparison."""
    files = [f"--gin_file={file}" for file in options.gin_file]
    bindings = [f"--gin_bindings={binding}" for binding in options.gin_bindings]
    peers = [f"--peer={options.peer}"] if options.peer else []
    counts = [f"--repeats={options.repeats}", f"--replicas={options.replicas}"]
    return [*files, *bindings, *peers, *counts]


def _print(numbers: dict, indent: str = "") -> None:
    for name, value in numbers.items():
        if isinstance(value, dict):
            print(f"{indent}{name}")
            _print(value, indent + "  ")
        else:
            text = f"{value:.4g}" if isinstance(value, float) else value
            print(f"{indent}{name!s:{30 - len(indent)}} {text}")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("benchmark", __doc__)
    parser.add_argument("--gin_file", action="append", required=True, help="its data become noise")
    parser.add_argument("--gin_bindings", action="append", default=[], help="override gin files")
    parser.add_argument("--json", type=Path, help="file for the measurements")
    parser.add_argument("--repeats", type=int, default=5, help="measurements of each, in turn")
    parser.add_argument(
        "--replicas", type=int, default=1, help="logical CPU devices that share a batch equally"
    )
    parser.add_argument("--peer", choices=["torch"], help="also time PyTorch, in turn with ours")
    parser.add_argument("--rounds", type=int, help="compare kept memory with memory given back")
    return command.run(parser, _benchmark, arguments)


def _benchmark(options: argparse.Namespace) -> None:
    if options.rounds:
        numbers = memory.compare(_without_rounds(options), options.rounds)
    else:
        numbers = _measure(options)
    numbers |= {"hardware": provenance.hardware(), "commit": provenance.commit()}
    _print(numbers)
    if options.json:
        options.json.write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
