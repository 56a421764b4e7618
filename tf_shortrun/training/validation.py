"""Validation: examples that nobody learns from choose the best state, and end a run in time.

An eval measures the learner on them at every checkpoint. The first of its metrics decides: the
state in which it was best is kept in the folder `best`, and a run whose last `patience` checkpoints
were no better ends. Values are in `validation.jsonl`.
"""

import fnmatch
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import DivergenceError, InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.training import rows
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.course import Course

FILE, FOLDER = "validation.jsonl", "best"


class Best(NamedTuple):
    """The best value of a metric on validation examples, and the step in which it was reached."""

    metric: str
    value: float
    step: int


class Validation:
    """The validation of a run up to now; nothing happens if the course has none.

    Args:
      step: the one that the run goes on from; later values are forgotten.
      leads: whether this is the machine that evaluates; the others measure nothing.

    Raises:
      InputError: if the eval does not say which way its first metric is better.
    """

    def __init__(
        self, course: Course, learner: Learner, workdir: Path, step: int, leads: bool = True
    ):
        self._course, self._learner = course, learner
        self._judge = course.validation if leads else None
        self._path = workdir / FILE
        self._kept = Checkpoints(learner, workdir / FOLDER, num_kept=1)
        self._rows = []
        if self._judge is not None:
            self._pattern, self._sign = _decisive(self._judge)
            self._rows = [row for row in rows.read(self._path, True) if row["step"] <= step]

    def measure(self, step: int) -> dict[str, float]:
        """Returns the values after `step` updates; keeps the state if it is the best until now.

        The values that are known already are not measured again.

        Raises:
          DivergenceError: if a value is not finite.
        """
        if self._judge is None or (self._rows and self._rows[-1]["step"] >= step):
            return {}
        seed = noise.stream(noise.make_seed(self._course.seed), "validation")
        values = self._judge(self._learner, self._course.trained_on.held_out(), seed)
        if bad := [name for name, value in values.items() if not np.isfinite(value)]:
            raise DivergenceError(f"{bad[0]} of validation not finite", step)
        row = {"step": step, **{name: float(value) for name, value in values.items()}}
        before, self._rows = self.best, [*self._rows, row]
        if self.best != before:
            self._kept.save(step)
        rows.write(self._path, self._rows)
        return {f"validation/{name}": value for name, value in values.items()}

    def go_back(self, step: int):
        """Forgets what was measured after `step`."""
        self._rows = [row for row in self._rows if row["step"] <= step]

    @property
    def best(self) -> Best | None:
        """The best value until now, the first of several; None before the first one."""
        if not self._rows:
            return None
        (name, *_) = fnmatch.filter(self._rows[0], self._pattern)
        row = min(self._rows, key=lambda row: self._sign * row[name])
        return Best(name, row[name], row["step"])

    @property
    def is_over(self) -> bool:
        """Whether the last `patience` values were no better than one before."""
        best, patience = self.best, self._course.patience
        if best is None or patience is None:
            return False
        return sum(row["step"] > best.step for row in self._rows) >= patience

    def restore_best(self) -> Best | None:
        """Loads the state of the best value into the learner, if there is one; returns it."""
        if self.best is not None:
            self._kept.restore()
        return self.best


def _decisive(judge) -> tuple[str, int]:
    """Returns the pattern of the metric that decides, and 1 if lower is better, -1 if higher."""
    (pattern, metric), *_ = judge.metrics.items()
    signs = {"lower": 1, "higher": -1}
    if not isinstance(metric, Metric) or metric.better not in signs:
        name = type(judge).__name__
        raise InputError(f"{pattern} of {name} is neither better nor worse: bind another eval")
    return pattern, signs[metric.better]


def restore(course: Course, learner: Learner, workdir: Path) -> int:
    """Loads the best state of a run, or without a validation the last; returns the last step."""
    step = Checkpoints(learner, workdir / "checkpoints").restore()
    Validation(course, learner, workdir, step).restore_best()
    return step
