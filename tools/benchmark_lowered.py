"""Measures the programs of `tools.travel_benchmark` on the first device, without TensorFlow.

    python -m tools.benchmark_lowered FOLDER --json=FILE [--peer=torch] [--repeats=10]

The numbers are those of `tools.benchmark`, for float32 and bfloat16: all programs, and with --peer
those of PyTorch in its variants, are timed in turn (A B A B) in one call on one device. The rates
for comparison are those of a product of large matrices and of a 5x5 convolution of 64 channels,
each repeated inside one program. On a GPU float32 products are of TF32 in both, which is faster.
"""

import os

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs some of the card

import argparse
import contextlib
import functools
import itertools
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from tf_shortrun.core.errors import InputError
from tools.peer_process import VARIANTS, Process, beside, variants
from tools.program import Program
from tools.timing import fit, measure

TYPES = ("float32", "bfloat16")


def benchmark(folder: Path, repeats: int, process: Process | None) -> dict:
    """Returns the measurements, by type and name."""
    about = json.loads((folder / "benchmark.json").read_text())
    counts = about["num_steps"]
    names = [*(f"chain{num}" for num in counts), "train", "brief"]
    with np.load(folder / "network.npz") as network:
        image = network["image"]
    works = [_work(folder / f"{kind}_{name}", image) for kind in TYPES for name in names]
    on_cpu = jax.devices()[0].platform == "cpu"
    theirs = _working(process, variants() if on_cpu else VARIANTS)
    for variant, work in itertools.product(theirs, (counts[-1], "update")):
        works.append(functools.partial(process.do, variant, work))
    times = measure(works, repeats)
    numbers = {"device": jax.devices()[0].device_kind, "jax": jax.__version__, **about}
    for k, kind in enumerate(TYPES):
        *chains, train, brief = times[k * len(names) : (k + 1) * len(names)]
        a, b = fit(counts, [t.median for t in chains])
        peak = peak_flops(kind, *((1024, 1) if on_cpu else (8192, 100)))
        numbers[kind] = {
            "seconds_per_langevin_step": b,
            "seconds_per_chain_besides": a,
            "seconds_per_update": brief.median - b,
            "seconds_per_training_step": train._asdict(),
            "seconds_per_chain": {n: t._asdict() for n, t in zip(counts, chains, strict=True)},
            "achieved_flops": about["flops_per_step"] / b,
            "measured_flops": peak,
            "share_of_peak": {n: about["flops_per_step"] / b / rate for n, rate in peak.items()},
        }
        if theirs:
            rest = times[len(TYPES) * len(names) :]
            ours = (b, brief.median - b)
            numbers[kind]["torch"] = beside(theirs, rest, counts[-1], *ours)
    return numbers


def _working(process: Process | None, names: Sequence[str]) -> Sequence[str]:
    """Returns the variants of the peer; none if it fails, which must not cost our own numbers."""
    try:
        for name in names if process else ():
            process.do(name, 1)
            process.do(name, "update")
    except InputError as error:
        print(error, file=sys.stderr, flush=True)
        return ()
    return names if process else ()


def _work(place: Path, image: np.ndarray) -> Callable[[], object]:
    """Returns a call of a program that waits until all is computed."""
    program = Program(place)
    images, seed = program.put(image), program.put(np.zeros(2, np.int32))
    return lambda: jax.block_until_ready((program(images, seed), program.state))


def peak_flops(dtype: str, side: int, times: int) -> dict[str, float]:
    """Returns the best rates of a matrix product and of a convolution, operations per second.

    Args:
      side: of the matrices.
      times: how often each is repeated inside one program, so that its start does not count.
    """
    key = jax.random.key(0)

    def draw(*shape):
        return (jax.random.normal(key, shape) / np.sqrt(np.prod(shape[:-1]))).astype(dtype)

    def convolve(maps, kernel):
        return jax.lax.conv_general_dilated(
            maps, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    def repeated(operation, x, weight):
        loop = jax.jit(lambda x, w: jax.lax.fori_loop(0, times, lambda _, y: operation(y, w), x))
        return lambda: jax.block_until_ready(loop(x, weight))

    matrix, maps, kernel = draw(side, side), draw(100, 16, 16, 64), draw(5, 5, 64, 64)
    works = [repeated(jnp.matmul, matrix, matrix), repeated(convolve, maps, kernel)]
    counts = {"matrix": 2 * side**3, "convolution": 2 * 100 * 16**2 * 64**2 * 25}
    best = [t.low for t in measure(works, 5)]
    return {n: times * c / t for (n, c), t in zip(counts.items(), best, strict=True)}


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.benchmark_lowered", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", type=Path, required=True, help="file for the measurements")
    parser.add_argument("--repeats", type=int, default=10, help="measurements of each, in turn")
    parser.add_argument("--peer", choices=["torch"], help="also time PyTorch, in turn with ours")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        network = options.folder / "network.npz"
        process = stack.enter_context(Process(network)) if options.peer else None
        numbers = benchmark(options.folder, options.repeats, process)
    text = json.dumps(numbers, indent=1)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
