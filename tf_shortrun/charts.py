"""Line charts as inline SVG: no script, no font, no colour of their own.

A long curve is cut into bins: the line goes through their means, the band from
their lowest to their highest value, so nothing that happened is smoothed away.
Colours are CSS classes of the page, and a column says its numbers when hovered.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

WIDTH, HEIGHT = 440, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 18, 26
BINS, FEW = 100, 30
LOG_RATIO = 30  # from here on a linear axis would hide the end of the curve


class Curve(NamedTuple):
    """Finite values over increasing steps, both [N]."""

    label: str
    steps: np.ndarray
    values: np.ndarray


class Axis(NamedTuple):
    """From numbers to places on the page."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool

    def place(self, value):
        """Where `value` lies between start and end; linear in it or in its logarithm."""
        warp = np.log if self.is_log else np.asarray
        share = (warp(value) - warp(self.low)) / (warp(self.high) - warp(self.low))
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers inside the axis."""
        return _log_ticks(self) if self.is_log else _linear_ticks(self)


def number(value: float) -> str:
    """A number for people: four digits, no exponent where it can be helped."""
    if math.isfinite(value) and 1e4 <= abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def line_chart(curves: list[Curve]) -> Markup:
    """Curves over their steps in one frame, with axes, ticks and hover titles."""
    curves = [_binned(curve) for curve in curves]
    x, y = _axes(curves)
    parts = [_grid(x, y)]
    parts += [_draw(curve, order, x, y) for order, curve in enumerate(curves)]
    parts += [_hover(curve, order, x, y) for order, curve in enumerate(curves)]
    return Markup('<svg viewBox="0 0 {} {}">{}</svg>').format(WIDTH, HEIGHT, Markup("").join(parts))


class _Binned(NamedTuple):
    label: str
    steps: np.ndarray
    means: np.ndarray
    lows: np.ndarray
    highs: np.ndarray


def _binned(curve: Curve) -> _Binned:
    bins = min(BINS, len(curve.values))
    steps, values = np.array_split(curve.steps, bins), np.array_split(curve.values, bins)
    columns = ([f(part) for part in values] for f in (np.mean, np.min, np.max))
    return _Binned(curve.label, np.array([s[-1] for s in steps]), *map(np.array, columns))


def _axes(curves: list[_Binned]) -> tuple[Axis, Axis]:
    low, high = min(c.lows.min() for c in curves), max(c.highs.max() for c in curves)
    is_log = bool(low > 0 and high / low > LOG_RATIO)
    margin = 0.04 * (high - low) or 0.5 * abs(high) or 1.0
    if is_log:
        y = Axis(low / 1.1, high * 1.1, HEIGHT - BOTTOM, TOP, True)
    else:
        y = Axis(low - margin, high + margin, HEIGHT - BOTTOM, TOP, False)
    last = max(c.steps.max() for c in curves)
    return Axis(0, max(last, 1), LEFT, WIDTH - RIGHT, False), y


def _linear_ticks(axis: Axis) -> list[float]:
    rough = (axis.high - axis.low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    size = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
    first, last = math.ceil(axis.low / size), math.floor(axis.high / size)
    return [k * size for k in range(first, last + 1)]


def _log_ticks(axis: Axis) -> list[float]:
    first, last = math.ceil(math.log10(axis.low)), math.floor(math.log10(axis.high))
    if last - first >= 2:
        return [10.0**d for d in range(first, last + 1, math.ceil((last - first) / 6))]
    ticks = [m * 10.0**d for d in range(first - 1, last + 1) for m in (1, 3)]
    return [tick for tick in ticks if axis.low <= tick <= axis.high]


def _grid(x: Axis, y: Axis) -> Markup:
    line = Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>')
    text = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    parts = [text.format(LEFT - 10, HEIGHT - 8, "end", "step")]
    if y.is_log:
        parts.append(text.format(WIDTH - RIGHT, TOP - 6, "end", "log scale"))
    for tick in y.ticks():
        place = y.place(tick)
        parts.append(line.format(LEFT, WIDTH - RIGHT, place, place))
        parts.append(text.format(LEFT - 6, place + 3.5, "end", _short(tick)))
    for tick in x.ticks():
        place = x.place(tick)
        anchor = "end" if place > WIDTH - RIGHT - 12 else "middle"
        parts.append(text.format(place, HEIGHT - 8, anchor, _short(tick)))
    return Markup("").join(parts)


def _draw(curve: _Binned, order: int, x: Axis, y: Axis) -> Markup:
    places = x.place(curve.steps)
    line = _points(places, y.place(curve.means))
    band = _points(places, y.place(curve.lows)) + _points(places[::-1], y.place(curve.highs[::-1]))
    return Markup(
        '<polygon class="band c{}" points="{}"/><polyline class="line c{}" points="{}"/>'
    ).format(order, " ".join(band), order, " ".join(line))


def _hover(curve: _Binned, order: int, x: Axis, y: Axis) -> Markup:
    """What the browser explains when it is touched: a dot for each of few points, or a column."""
    places, heights = x.place(curve.steps), y.place(curve.means)
    if len(places) <= FEW:
        mark = Markup('<circle class="dot c{}" r="3" cx="{:.1f}" cy="{:.1f}">{}</circle>')
        where = [(order, *place) for place in zip(places, heights, strict=True)]
    else:
        mark = Markup('<rect class="column" y="{}" height="{}" x="{:.1f}" width="{:.1f}">{}</rect>')
        edges = np.concatenate([[LEFT], (places[1:] + places[:-1]) / 2, [WIDTH - RIGHT]])
        tall = HEIGHT - TOP - BOTTOM
        where = [(TOP, tall, left, right - left) for left, right in itertools.pairwise(edges)]
    titles = (_title(curve, k) for k in range(len(places)))
    return Markup("").join(mark.format(*w, title) for w, title in zip(where, titles, strict=True))


def _title(curve: _Binned, k: int) -> Markup:
    text = f"{curve.label}, step {curve.steps[k]:,}: {number(curve.means[k])}"
    if curve.lows[k] < curve.highs[k]:
        text += f" ({number(curve.lows[k])} to {number(curve.highs[k])})"
    return Markup("<title>{}</title>").format(text)


def _points(xs, ys) -> list[str]:
    return [f"{a:.1f},{b:.1f}" for a, b in zip(xs, ys, strict=True)]


def _short(value: float) -> str:
    """A tick label: 20000 -> 20k."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.4g}M"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.4g}k"
    return f"{value:.6g}"
