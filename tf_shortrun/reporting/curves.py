"""What happened while a learner trained, as charts: its history and its step sizes."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting.charts import Chart, Curve
from tf_shortrun.training import rows

NUM_TIMES = 5  # of training, at which a search is shown
FAR = 5  # times the median distance from the best: a chain that explodes would hide the rest


class Choice(NamedTuple):
    """Step sizes [K, L] from `step` on, and the candidates [N] that a search had, with values."""

    step: int
    step_sizes: np.ndarray
    candidates: np.ndarray
    values: np.ndarray


_CLOCK = {
    "step", "seconds",
    "seconds_per_step", "input_wait_share", "page_faults_per_step", "system_time_share",
}  # fmt: skip


def history_charts(workdir: Path) -> list[Chart]:
    """A chart for each name in `history.jsonl`, with that in `validation.jsonl` in one frame.

    Raises:
      InputError: as `rows.read`.
    """
    training, validation = (
        rows.read(workdir / f"{name}.jsonl", of_numbers=True) for name in ("history", "validation")
    )
    parts = {"training": training, "validation": validation}
    names = dict.fromkeys(["loss", "mse", *(n for row in training + validation for n in row)])
    names = [n for n in names if n not in _CLOCK]
    charts = [Chart(name, [_curve(*part, name) for part in parts.items()]) for name in names]
    return _drawable([*charts, Chart("steps per second", [_speed(training)])])


def read_choices(workdir: Path) -> list[Choice]:
    """What `step_sizes.jsonl` says, in the order of training; nothing if there is no such file.

    Raises:
      InputError: if the file holds something else.
    """
    path = workdir / "step_sizes.jsonl"
    try:
        choices = {row["step"]: _choice(**row) for row in rows.read(path)}
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} has no step sizes: {error}; delete it") from None
    return [choices[step] for step in sorted(choices)]


def chosen(label: str, choices: list[Choice], places: slice = slice(None)) -> Curve:
    """The geometric mean over steps of the chain (all, or `places`) and layers, while training."""
    means = [np.exp(np.mean(np.log(choice.step_sizes[places]))) for choice in choices]
    return Curve(label, np.array([choice.step for choice in choices]), np.array(means))


def step_size_charts(workdir: Path) -> list[Chart]:
    """Step sizes over training, what a search saw, and the last schedule where it varies.

    Raises:
      InputError: as `read_choices`.
    """
    choices = read_choices(workdir)
    if not choices:
        return []
    curves = [chosen("geometric mean", choices)]
    if any(np.ptp(choice.step_sizes, axis=0).any() for choice in choices):
        curves.append(chosen("first of the chain", choices, slice(0, 1)))
        curves.append(chosen("last of the chain", choices, slice(-1, None)))
    charts = [Chart("step size", curves), _searches(choices), _schedule(choices[-1])]
    return _drawable(charts)


def _choice(step: int, step_sizes, candidates=(), values=(), **_) -> Choice:
    sizes, candidates = np.array(step_sizes, float), np.array(candidates, float)
    values = np.array(values, float) if len(candidates) else candidates
    if sizes.ndim != 2 or not np.all(sizes > 0):
        raise ValueError(f"those of step {step} are not positive numbers [K, L]")
    if candidates.shape != values.shape:
        raise ValueError(f"step {step} has {len(candidates)} candidates, {len(values)} values")
    return Choice(step, sizes, candidates, values)


def _searches(choices: list[Choice]) -> Chart:
    """The objective over the candidates, at a few times of training, above its best value."""
    searches = [choice for choice in choices if len(choice.candidates)]
    places = np.linspace(0, len(searches) - 1, min(len(searches), NUM_TIMES)).astype(int)
    shown = [_above_best(searches[place]) for place in places]
    far = FAR * np.median(np.concatenate([[0.0], *(curve.y for curve in shown)]))
    shown = [Curve(c.label, c.x[c.y <= far], c.y[c.y <= far]) for c in shown]
    return Chart("objective, above its best", shown, x_title="step size", is_x_log=True)


def _above_best(choice: Choice) -> Curve:
    order = np.argsort(choice.candidates)
    order = order[np.isfinite(choice.values[order])]
    values = choice.values[order]
    above = values - values.min() if len(values) else values
    return Curve(f"step {choice.step:,}", choice.candidates[order], above)


def _schedule(choice: Choice) -> Chart:
    """Step size by place k in the chain; without curves where all are the same."""
    sizes = choice.step_sizes
    num_steps, num_layers = sizes.shape
    places, labels = (
        np.arange(1, num_steps + 1),
        [f"layer {num_layers - l}" for l in range(num_layers)],
    )
    if not np.ptp(sizes, axis=1).any():
        sizes, labels = sizes[:, :1], ["all layers"]
    curves = [Curve(label, places, column) for label, column in zip(labels, sizes.T, strict=True)]
    title = f"step size along the chain, from step {choice.step:,}"
    return Chart(title, curves if np.ptp(sizes) else [], x_title="k")


def _curve(label: str, some: list[dict], name: str) -> Curve:
    # By step, because a resumed run may say a step twice: the later one counts.
    points = {row["step"]: row[name] for row in some if math.isfinite(row.get(name, math.nan))}
    steps = sorted(points)
    return Curve(label, np.array(steps), np.array([points[step] for step in steps]))


def _speed(training: list[dict]) -> Curve:
    clock = _curve("training", training, "seconds")
    steps, seconds = np.diff(clock.x, prepend=0), np.diff(clock.y, prepend=0.0)
    forward = seconds > 0
    return Curve("training", clock.x[forward], steps[forward] / seconds[forward])


def _drawable(charts: list[Chart]) -> list[Chart]:
    """Without empty curves and empty charts."""
    charts = [chart._replace(curves=[c for c in chart.curves if len(c.x)]) for chart in charts]
    return [chart for chart in charts if chart.curves]
