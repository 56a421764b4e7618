"""Line charts, drawn by matplotlib.

A long curve is cut into bins: the line goes through their means, and the band reaches from their
lowest to their highest value, so that a spike stays visible.
"""

import math
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

COLOURS = (
    "#2b6c8f", "#c0582b", "#4c8a3b", "#8a5aa8", "#a67c1f", "#c2477f", "#2a8f84", "#7a6f66",
)  # fmt: skip
BINS = 100
LOG_RATIO = 30  # from here on a linear axis would hide the end of the curve


class Curve(NamedTuple):
    """Finite values y over increasing x, both [N]; a single point is drawn as a mark."""

    label: str
    x: np.ndarray
    y: np.ndarray


class Chart(NamedTuple):
    """At least one curve in one frame; curves with the same label have the same colour.

    The x axis begins at 0, or at the first point where it is logarithmic.
    """

    title: str
    curves: list[Curve]
    x_title: str = "step"
    is_x_log: bool = False


def number(value: float) -> str:
    """Returns a number as text: four digits, without an exponent where possible."""
    if math.isfinite(value) and 1e4 <= abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def binned(curve: Curve) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the last x, and the mean, lowest and highest y, of at most 100 bins."""
    bins = min(BINS, len(curve.y))
    x, y = np.array_split(curve.x, bins), np.array_split(curve.y, bins)
    mean, low, high = (np.array([f(part) for part in y]) for f in (np.mean, np.min, np.max))
    return np.array([part[-1] for part in x]), mean, low, high


def draw(axes: Axes, chart: Chart) -> None:
    """Draws the curves of a chart with their bands, and its scales, title and legend."""
    labels = list(dict.fromkeys(curve.label for curve in chart.curves))
    colours = {label: COLOURS[i % len(COLOURS)] for i, label in enumerate(labels)}
    named = {}
    for label, x, y in chart.curves:
        ends, mean, low, high = binned(Curve(label, x, y))
        marker = "o" if len(ends) == 1 else ""
        (named[label],) = axes.plot(ends, mean, color=colours[label], marker=marker)
        axes.fill_between(ends, low, high, color=colours[label], alpha=0.2, linewidth=0)
    _scale(axes, chart)
    axes.set_title(chart.title, loc="left")
    axes.set_xlabel(chart.x_title)
    axes.legend(named.values(), named.keys())


def _scale(axes: Axes, chart: Chart) -> None:
    """Makes the y axis logarithmic where values cover more than a factor of 30."""
    y = np.concatenate([curve.y for curve in chart.curves])
    if y.min() > 0 and y.max() / y.min() > LOG_RATIO:
        axes.set_yscale("log")
        _label_log(axes.yaxis)
    if chart.is_x_log:
        axes.set_xscale("log")
        _label_log(axes.xaxis)
    else:
        axes.set_xlim(0, 1.02 * max(1, *(curve.x.max() for curve in chart.curves)))


def _label_log(axis: Axis) -> None:
    """Labels a logarithmic axis with plain numbers: 0.01, 0.03, 0.1, ..."""
    axis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
