"""Trains the runs of a folder of `tools.travel`, with jax and NumPy and without TensorFlow.

    python -m tools.train_lowered FOLDER [RUN ...] --seconds=150 --out=OUT [--updates=N]

Each run has a process of its own, so that a failure or the memory of one is not that of another,
and trains for so many seconds after its compilation, or for N updates if they end before. Every
minute and at the end it writes to OUT, where a process that is killed leaves the last ones:

    <run>.json      settings, device, updates, seconds, peak memory, and the curves
    <run>_<k>.npy   the weights in half precision, one after the other, in files below 16 MB

A run ends when a number is not finite; what it has written before stays.
"""

import os

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # or memory is that of the card

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from tools import packed
from tools.program import Program

SAVE_EVERY = 60.0  # seconds
MOST_BYTES = 15_000_000  # of a file of weights


class Training:
    """A run that trains: `step()` makes an update, `save()` writes what there is."""

    def __init__(self, folder: Path, name: str, out: Path):
        self._out, self._name, self._rows, self._window = out, name, [], []
        start = time.perf_counter()
        self._program = Program(folder / "runs" / name)
        self._compiling = time.perf_counter() - start
        self._about = self._program.about
        file, *form = self._about["data"]
        images = packed.unpack((folder / "data" / file).read_bytes(), *form)
        self._images = self._program.put(images)
        self._order = order(len(images), self._about["batch_size"], self._about["seed"])
        self.updates, self._start = 0, time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def step(self):
        self.updates += 1
        step = np.array(self.updates, np.int32)
        self._window.append(self._program(self._images, next(self._order), step))
        if self.updates % self._about["log_every"] == 0:
            self._log()

    def _log(self):
        """Adds the means since the last line, which waits for them.

        Raises:
          FloatingPointError: if one of them is not finite.
        """
        columns = zip(*jax.device_get(self._window), strict=True)
        means = [float(np.mean(column)) for column in columns]
        if not np.isfinite(means).all():
            raise FloatingPointError(f"{self._name}: not finite before update {self.updates}")
        before = self._rows[-1]["seconds"] if self._rows else 0.0
        row = {"step": self.updates, "seconds": self.seconds}
        row["seconds_per_step"] = (row["seconds"] - before) / len(self._window)
        self._rows.append(row | dict(zip(self._about["results"], means, strict=True)))
        self._window = []
        text = " ".join(f"{name} {value:.5g}" for name, value in self._rows[-1].items())
        print(self._name, text, flush=True)

    def save(self):
        """Writes the weights and the numbers, the numbers last."""
        if self._window:
            self._log()
        self._out.mkdir(parents=True, exist_ok=True)
        places = [here for here, _ in self._about["weights"]]
        arrays = [np.asarray(self._program.state[place]).ravel() for place in places]
        files = pieces(np.concatenate(arrays).astype(np.float16))
        for k, piece in enumerate(files):
            np.save(self._out / f"{self._name}_{k}.npy", piece)
        self._write(len(files))

    def _write(self, num_files: int):
        device = jax.devices()[0]
        memory = (device.memory_stats() or {}).get("peak_bytes_in_use")
        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        numbers = {
            "name": self._name,
            "settings": self._about["settings"],
            "commit": self._about["commit"],
            "hardware": hardware(device),
            "jax": jax.__version__,
            "updates": self.updates,
            "seconds": self._rows[-1]["seconds"],
            "compile_seconds": self._compiling,
            "peak_bytes": memory or resident,
            "weights": [there for _, there in self._about["weights"]],
            "num_files": num_files,
            "rows": self._rows,
        }
        text = json.dumps(numbers) + "\n"
        (self._out / f"{self._name}.json").write_text(text)


def hardware(device: jax.Device) -> dict:
    """Returns what results call this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpus = [] if device.platform == "cpu" else [device.device_kind]
    machine = {"cpu": platform.machine(), "cores": os.cpu_count()}
    return {**machine, "memory_gib": round(memory, 1), "gpus": gpus}


def order(num: int, batch_size: int, seed: int) -> Iterator[np.ndarray]:
    """Yields the places of the images of each batch, int32 [B]; every epoch has a new order."""
    rng = np.random.default_rng(seed)
    while True:
        places = rng.permutation(num).astype(np.int32)
        yield from places[: num - num % batch_size].reshape(-1, batch_size)


def pieces(weights: np.ndarray) -> list[np.ndarray]:
    """Returns an array [N] in pieces that fit into one file each."""
    num = MOST_BYTES // weights.itemsize
    return [weights[first : first + num] for first in range(0, len(weights), num)]


def train(folder: Path, name: str, out: Path, seconds: float, updates: int | None = None):
    """Trains one run in this process."""
    training, saved = Training(folder, name, out), 0.0
    while training.seconds < seconds and training.updates != updates:
        training.step()
        if training.seconds - saved > SAVE_EVERY:
            training.save()
            saved = training.seconds
    training.save()


def main() -> int:
    """Returns how many runs failed."""
    parser = argparse.ArgumentParser(prog="python -m tools.train_lowered", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("runs", nargs="*")
    parser.add_argument("--seconds", type=float, required=True, help="for each run")
    parser.add_argument("--updates", type=int, help="the most for each run")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = ((options.folder / "runs").glob(f"{run}.json") for run in options.runs or "*")
    names = sorted(path.stem for paths in found for path in paths)
    if len(names) == 1:
        train(options.folder, names[0], options.out, options.seconds, options.updates)
        return 0
    limits = [f"--{n}={v}" for n, v in vars(options).items() if n in ("seconds", "updates") and v]
    command = [sys.executable, "-m", "tools.train_lowered", str(options.folder)]
    calls = ([*command, name, *limits, f"--out={options.out}"] for name in names)
    return sum(subprocess.run(call, check=False).returncode != 0 for call in calls)


if __name__ == "__main__":
    sys.exit(main())
