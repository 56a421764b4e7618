"""Line charts as SVG: no script, no font, no colour of their own.

A long curve is cut into bins: the line goes through their means, the band from
their lowest to their highest value, so nothing that happened is smoothed away.
Colours are CSS classes (see `figure.py`), and a curve says its numbers when hovered.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from tf_shortrun.reporting.axis import Axis, tick_label

WIDTH, HEIGHT = 440, 236
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 18, 42
BINS, FEW = 100, 30
NUM_COLOURS = 8
LOG_RATIO = 30  # from here on a linear axis would hide the end of the curve


class Curve(NamedTuple):
    """Finite values y over increasing x, both [N]; a single point is a mark."""

    label: str
    x: np.ndarray
    y: np.ndarray


class Chart(NamedTuple):
    """At least one curve in one frame; curves of one label have one colour.

    The x axis begins at 0, or at the first point where it is logarithmic.
    """

    title: str
    curves: list[Curve]
    x_title: str = "step"
    is_x_log: bool = False

    @property
    def labels(self) -> list[str]:
        """Each label once."""
        return list(dict.fromkeys(curve.label for curve in self.curves))

    def colour(self, label: str) -> int:
        """The number of its CSS class: c0, c1, ..."""
        return self.labels.index(label) % NUM_COLOURS


def number(value: float) -> str:
    """A number for people: four digits, no exponent where it can be helped."""
    if math.isfinite(value) and 1e4 <= abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def line_chart(chart: Chart) -> Markup:
    """A chart for a page: axes, ticks and hover titles; title and legend are the page's."""
    return Markup('<svg viewBox="0 0 {} {}">{}</svg>').format(WIDTH, HEIGHT, draw(chart))


def draw(chart: Chart) -> Markup:
    """What a chart is made of, WIDTH by HEIGHT."""
    curves = [_binned(curve, chart.colour(curve.label)) for curve in chart.curves]
    x, y = _axes(curves, chart.is_x_log)
    is_alone = sum(len(curve.x) > FEW for curve in curves) == 1
    parts = [_grid(x, y, chart.x_title), *(_draw(curve, x, y) for curve in curves)]
    parts += [_hover(curve, x, y, chart.x_title, is_alone) for curve in curves]
    return Markup("").join(parts)


class _Binned(NamedTuple):
    label: str
    colour: int
    x: np.ndarray
    means: np.ndarray
    lows: np.ndarray
    highs: np.ndarray


def _binned(curve: Curve, colour: int) -> _Binned:
    bins = min(BINS, len(curve.y))
    x, y = np.array_split(curve.x, bins), np.array_split(curve.y, bins)
    columns = ([f(part) for part in y] for f in (np.mean, np.min, np.max))
    ends = np.array([part[-1] for part in x])
    return _Binned(curve.label, colour, ends, *map(np.array, columns))


def _axes(curves: list[_Binned], is_x_log: bool) -> tuple[Axis, Axis]:
    first, last = min(c.x.min() for c in curves), max(c.x.max() for c in curves)
    if is_x_log:
        x = Axis(first / 1.1, last * 1.1, LEFT, WIDTH - RIGHT, True)
    else:
        x = Axis(0, max(last, 1), LEFT, WIDTH - RIGHT, False)
    low, high = min(c.lows.min() for c in curves), max(c.highs.max() for c in curves)
    margin = 0.04 * (high - low) or 0.5 * abs(high) or 1.0
    if low > 0 and high / low > LOG_RATIO:
        return x, Axis(low / 1.1, high * 1.1, HEIGHT - BOTTOM, TOP, True)
    return x, Axis(low - margin, high + margin, HEIGHT - BOTTOM, TOP, False)


def _grid(x: Axis, y: Axis, x_title: str) -> Markup:
    line = Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>')
    text = Markup('<text class="label" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    x_title += ", log scale" if x.is_log else ""
    parts = [text.format((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, "middle", x_title)]
    if y.is_log:
        parts.append(text.format(WIDTH - RIGHT, TOP - 6, "end", "log scale"))
    for tick in y.ticks():
        place = y.place(tick)
        parts.append(line.format(LEFT, WIDTH - RIGHT, place, place))
        parts.append(text.format(LEFT - 6, place + 3.5, "end", tick_label(tick)))
    for tick in x.ticks():
        place = x.place(tick)
        anchor = "end" if place > WIDTH - RIGHT - 12 else "middle"
        parts.append(text.format(place, HEIGHT - BOTTOM + 18, anchor, tick_label(tick)))
    return Markup("").join(parts)


def _draw(curve: _Binned, x: Axis, y: Axis) -> Markup:
    places = x.place(curve.x)
    line = _points(places, y.place(curve.means))
    band = _points(places, y.place(curve.lows)) + _points(places[::-1], y.place(curve.highs[::-1]))
    return Markup(
        '<polygon class="band c{}" points="{}"/><polyline class="line c{}" points="{}"/>'
    ).format(curve.colour, " ".join(band), curve.colour, " ".join(line))


def _hover(curve: _Binned, x: Axis, y: Axis, x_title: str, is_alone: bool) -> Markup:
    """What the browser explains when touched: each of few points, a column where they are many.

    Of several long curves each has spots of its own, since their columns would be the same.
    """
    places, heights = x.place(curve.x), y.place(curve.means)
    if len(places) <= FEW or not is_alone:
        mark = Markup('<circle class="{} c{}" r="3" cx="{:.1f}" cy="{:.1f}">{}</circle>')
        kind = "dot" if len(places) <= FEW else "spot"
        where = [(kind, curve.colour, *place) for place in zip(places, heights, strict=True)]
    else:
        mark = Markup('<rect class="column" y="{}" height="{}" x="{:.1f}" width="{:.1f}">{}</rect>')
        edges = np.concatenate([[LEFT], (places[1:] + places[:-1]) / 2, [WIDTH - RIGHT]])
        tall = HEIGHT - TOP - BOTTOM
        where = [(TOP, tall, left, right - left) for left, right in itertools.pairwise(edges)]
    titles = (_title(curve, k, x_title) for k in range(len(places)))
    return Markup("").join(mark.format(*w, title) for w, title in zip(where, titles, strict=True))


def _title(curve: _Binned, k: int, x_title: str) -> Markup:
    where = f"{curve.x[k]:,}" if curve.x.dtype.kind == "i" else number(curve.x[k])
    text = f"{curve.label}, {x_title} {where}: {number(curve.means[k])}"
    if curve.lows[k] < curve.highs[k]:
        text += f" ({number(curve.lows[k])} to {number(curve.highs[k])})"
    return Markup("<title>{}</title>").format(text)


def _points(xs, ys) -> list[str]:
    return [f"{a:.1f},{b:.1f}" for a, b in zip(xs, ys, strict=True)]
