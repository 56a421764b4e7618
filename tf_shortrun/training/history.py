"""The record of a training run: metrics over time, choices of step sizes, and timings."""

import contextlib
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_shortrun.core.errors import DivergenceError
from tf_shortrun.core.files import named
from tf_shortrun.core.shapes import Metrics
from tf_shortrun.core.stuck import STUCK
from tf_shortrun.core.usage import Usage
from tf_shortrun.training import board, rows
from tf_shortrun.training.alarms import Alarms
from tf_shortrun.training.breaks import first_break

_LOG = logging.getLogger(__name__)

OnLine = Callable[[int, dict[str, float]], object]
_NONE: Mapping = {}
_TOLD = ("latent_norm", "step_sharpness")  # metrics that explain why a chain diverged


class History:
    """Metrics over time, in `history.jsonl` (means since the last line) and in TensorBoard.

    The choices that a learner made during training, and their inputs, are in `step_sizes.jsonl`.
    `seconds` is the training time summed over all resumed parts of the run. It includes
    compilation and input, but not evaluation, pictures and saving. `has_begun` says whether this
    part of the run has made a step.
    """

    def __init__(self, workdir: Path, step: int, on_line: OnLine | None = None):
        """Reads the records up to `step`. Later lines are dropped: their checkpoint was lost.

        `on_line(step, numbers)` is called after each new line, e.g. to send it elsewhere.
        """
        self._on_line = on_line
        self._path, self._choices_path = workdir / "history.jsonl", workdir / "step_sizes.jsonl"
        self._rows = _rising(rows.read(self._path, of_numbers=True), step)
        self._choices = _rising(rows.read(self._choices_path), step)
        self.step = step
        self.seconds = max(filter(math.isfinite, self.curve("seconds")), default=0.0)
        self._miss_rows()
        self._window: list[Metrics] = []
        self._waited = 0.0
        self._alarms = Alarms()
        self._clock, self._usage = time.perf_counter(), Usage.now()
        self.has_begun = False

    def _miss_rows(self):
        """Says that rows are lost: a checkpoint is saved after the row of its step."""
        last = self._rows[-1]["step"] if self._rows else 0
        if last < self.step and self._path.exists():
            _LOG.warning(
                "%s ends at step %d, the checkpoint is of step %d: the lines between are lost",
                *(self._path, last, self.step),
            )

    def begin(self, settings: Mapping[str, board.Setting] = _NONE):
        """Opens the files. Nothing is written before this call.

        Args:
          settings: of the run, for TensorBoard, see `board.py`.
        """
        self.has_begun = True
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._rewrite()
        self._writer = board.open_writer(self._path.parent, settings)

    @property
    def speed(self) -> dict[str, float]:
        """Medians over the lines, so that compilation hardly counts; empty without lines."""
        names = (
            "seconds_per_step",
            "input_wait_share",
            "page_faults_per_step",
            "system_time_share",
        )
        known = {name: self.curve(name) for name in names}
        return {name: float(np.median(values)) for name, values in known.items() if values}

    def curve(self, name: str) -> list[float]:
        """Returns the values of one metric, a mean over the steps of each line that has it."""
        return [row[name] for row in self._rows if name in row]

    @contextlib.contextmanager
    def fetching(self) -> Iterator[None]:
        """Times the fetch of the batch of a step, which counts as waiting and as training time."""
        start = time.perf_counter()
        if not self._window:
            self._clock, self._usage = start, Usage.now()
        yield
        self._waited += time.perf_counter() - start

    def record(self, metrics: Metrics):
        """Keeps the metrics of one step. They stay on the device, so this call does not wait."""
        self._window.append(metrics)

    def record_choice(self, choice: Mapping[str, tf.Tensor], step: int):
        """Keeps the values that the learner chose before `step`."""
        values = {name: np.asarray(value).tolist() for name, value in choice.items()}
        seconds = self.seconds + time.perf_counter() - self._clock
        self._choices.append({"step": step, "seconds": seconds, **values})

    def flush(self, step: int, saving: bool = False) -> dict:
        """Writes the means over the steps since the last call.

        Args:
          saving: whether the state after `step` is to be saved.

        Returns:
          The means of loss and mse as text, for the progress bar.

        Raises:
          DivergenceError: if training broke, see `breaks.py`.
        """
        if not self._window:
            return {}
        means, window = _means(self._window), self._window
        elapsed = time.perf_counter() - self._clock
        self.seconds += elapsed
        row = {"step": step, "seconds": self.seconds, **means}
        row["seconds_per_step"] = elapsed / len(self._window)
        row["input_wait_share"] = self._waited / elapsed
        row |= Usage.now().per_step(self._usage, len(self._window))
        self._rows.append(row)
        self._window, self._waited, self.step = [], 0.0, step
        if broken := first_break(window, saving):
            place, what = broken
            raise DivergenceError(what, step - len(window) + 1 + place, self.seconds)
        self._alarms.check(means, step)
        with named(self._path), self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if self._choices:
            rows.write(self._choices_path, self._choices)
        self.scalars(means, step)
        if self._on_line:
            self._on_line(step, {n: v for n, v in row.items() if n != "step"})
        return {k: f"{means[k]:.4g}" for k in ("loss", "mse") if k in means}

    @property
    def last_seen(self) -> str:
        """The last numbers of a chain that were finite, in words; "" if there are none."""
        told: dict[str, float] = {}
        for row in self._rows:
            told |= {n: v for n, v in row.items() if n.startswith(_TOLD) and np.isfinite(v)}
        words = ", ".join(f"{name} {value:.3g}" for name, value in told.items())
        return f"last seen: {words}" if words else ""

    def go_back(self, step: int):
        """Forgets what was recorded after `step`. The time that it took still counts."""
        self._rows = [row for row in self._rows if row["step"] <= step]
        self._choices = [row for row in self._choices if row["step"] <= step]
        self.step = step
        self._rewrite()

    def _rewrite(self):
        rows.write(self._path, self._rows)
        if self._choices:
            rows.write(self._choices_path, self._choices)
        else:
            self._choices_path.unlink(missing_ok=True)  # a run without choices has no such file

    def scalars(self, values: Mapping[str, float], step: int):
        """Writes numbers to TensorBoard."""
        with self._writer.as_default(step):
            for name, value in values.items():
                tf.summary.scalar(name, value)

    def images(self, pictures: dict, step: int):
        """Writes pictures {name: uint8 [H, W, 3]} to TensorBoard."""
        with self._writer.as_default(step):
            for name, picture in pictures.items():
                tf.summary.image(name, picture[None])


def _means(window: list[Metrics]) -> dict[str, float]:
    """Returns the mean of each metric over the steps that have it: stages may differ in metrics."""
    names = dict.fromkeys(name for metrics in window for name in metrics if name != STUCK)
    return {n: float(np.mean([m[n] for m in window if n in m], dtype=np.float64)) for n in names}


def _rising(found: list[dict], step: int) -> list[dict]:
    """Returns the rows up to `step`, without those that go back."""
    kept: list[dict] = []
    for row in found:
        if (kept[-1]["step"] if kept else 0) < row["step"] <= step:
            kept.append(row)
    return kept
