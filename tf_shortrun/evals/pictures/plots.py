"""Plots as uint8 [H, W, 3], drawn by matplotlib."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_DPI = 100  # dots per inch; sizes below are in inches


def bars(heights: np.ndarray, ticks: np.ndarray) -> np.ndarray:
    """Returns a plot of bars of `heights` [m] in [0, 1], with orange ticks at `ticks` [m]."""
    axes = full_axes(640, 120)
    draw_bars(axes, heights, ticks)
    return picture(axes.figure)


def draw_bars(axes: Axes, heights: np.ndarray, ticks: np.ndarray) -> None:
    """Draws the bars of `bars` on `axes`."""
    places = np.arange(len(heights))
    axes.set(xlim=(-0.5, len(heights) - 0.5), ylim=(0, 1), facecolor="black")
    axes.bar(places, heights, width=0.8, color="white")
    axes.hlines(ticks, places - 0.5, places + 0.5, colors="#f08c28", linewidth=1.5)


def lines(title: str, curves: Mapping[str, np.ndarray], least_span: float) -> np.ndarray:
    """Returns a plot of curves of equally spaced values on [0, 1], with a legend.

    The vertical axis covers all values, and at least `least_span` around their middle.
    """
    figure = Figure((6.4, 2.4), dpi=_DPI, layout="constrained")
    draw_lines(figure.add_subplot(title=title), curves, least_span)
    return picture(figure)


def draw_lines(axes: Axes, curves: Mapping[str, np.ndarray], least_span: float) -> None:
    """Draws the curves of `lines` on `axes`."""
    values = np.concatenate([*curves.values()])
    middle, half = np.mean([values.min(), values.max()]), np.ptp(values) / 2
    half = 1.05 * max(half, least_span / 2, 1e-9)
    axes.set(xlim=(0, 1), ylim=(middle - half, middle + half))
    for label, y in curves.items():
        axes.plot(np.linspace(0, 1, len(y)), y, label=label)
    axes.grid(color="0.85")
    axes.legend()


def full_axes(width: int, height: int) -> Axes:
    """Returns axes without frame that fill a picture of this many pixels."""
    figure = Figure((width / _DPI, height / _DPI), dpi=_DPI)
    return figure.add_axes((0, 0, 1, 1), xticks=[], yticks=[])


def picture(figure: Figure) -> np.ndarray:
    """Returns the pixels of a figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
