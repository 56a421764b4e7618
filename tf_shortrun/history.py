"""What happened while a learner trained."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_shortrun.errors import InputError


class History:
    """Metrics over time: `history.jsonl` (means since the last line) and TensorBoard.

    `seconds` counts training time over all resumed pieces: compilation and input included,
    evaluation, pictures and saving not.
    """

    def __init__(self, workdir: Path, step: int):
        """What is known up to `step`; lines of a later step belong to a run that was lost."""
        self._path = workdir / "history.jsonl"
        rows = self._path.read_text().splitlines() if self._path.exists() else []
        self._rows = [row for row in map(json.loads, rows) if row["step"] <= step]
        self.step = step
        self.seconds = self._rows[-1]["seconds"] if self._rows else 0.0
        self._speeds = [row["seconds_per_step"] for row in self._rows]
        self._window, self._clock = [], time.perf_counter()

    def begin(self):
        """Opens the files; only now is anything written."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text("".join(json.dumps(row) + "\n" for row in self._rows))
        self._writer = tf.summary.create_file_writer(str(self._path.parent / "tensorboard"))

    @property
    def seconds_per_step(self) -> float | None:
        """Median over the lines: free of compilation and of a busy moment."""
        return float(np.median(self._speeds)) if self._speeds else None

    def record(self, step_fn: Callable, batches: Iterator, step: int):
        """Takes one step; its metrics stay on the device: no waiting here."""
        if not self._window:
            self._clock = time.perf_counter()
        self._window.append(step_fn(next(batches), tf.constant(step)))

    def flush(self, step: int) -> dict:
        """Writes the means of the steps since the last call; returns them, for the bar."""
        if not self._window:
            return {}
        means = {k: float(np.mean([m[k] for m in self._window])) for k in self._window[0]}
        elapsed = time.perf_counter() - self._clock
        self.seconds += elapsed
        row = {"step": step, "seconds": self.seconds, **means}
        row["seconds_per_step"] = elapsed / len(self._window)
        self._speeds.append(row["seconds_per_step"])
        self._window, self.step = [], step
        _check_finite(means, step)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        with self._writer.as_default(step):
            for name, value in means.items():
                tf.summary.scalar(name, value)
        return {k: f"{means[k]:.4g}" for k in ("loss", "mse") if k in means}

    def images(self, pictures: dict, step: int):
        """Pictures {name: uint8 [H, W, 3]} to TensorBoard."""
        with self._writer.as_default(step):
            for name, picture in pictures.items():
                tf.summary.image(name, picture[None])


def _check_finite(means: dict, step: int):
    bad = [name for name, value in means.items() if not np.isfinite(value)]
    if bad:
        raise InputError(
            f"{', '.join(bad)} not finite before step {step}: lower the step size or the learning "
            "rate; the last checkpoint is from before"
        )
