"""Charts as an SVG file of their own, and the style that they have there and on a page.

The file loads nothing. Its colours are plain properties: a viewer that knows no dark mode
draws the light figure.
"""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import results
from tf_shortrun.reporting.charts import HEIGHT, WIDTH, Chart, draw

_COLOURS = {  # on light, on dark
    "svg": ("#24282d", "#e3e3de"), ".label": ("#656c75", "#9aa1a9"),
    ".sheet": ("#ffffff", "#1d2125"), ".grid": ("#e3e0d9", "#31363c"),
    ".c0": ("#2b6c8f", "#78b7d6"), ".c1": ("#c0582b", "#e8986a"), ".c2": ("#4c8a3b", "#95c883"),
    ".c3": ("#8a5aa8", "#c39ddd"), ".c4": ("#a67c1f", "#dfbb62"), ".c5": ("#c2477f", "#ec8ab5"),
    ".c6": ("#2a8f84", "#6fcabd"), ".c7": ("#7a6f66", "#b9aea4"),
}  # fmt: skip
_LIGHT, _DARK = (
    "".join(f"{name} {{ color: {pair[k]}; }}\n" for name, pair in _COLOURS.items()) for k in (0, 1)
)
_SHAPES = """\
svg text { font-size: 12px; fill: currentColor; }
.sheet, .column, .band, .dot, .spot { fill: currentColor; }
.grid, .line, .dot, .spot { stroke: currentColor; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.band { opacity: .2; }
.column, .spot { fill-opacity: 0; }
.dot, .spot { stroke-opacity: 0; stroke-width: 12; }
.column:hover { fill-opacity: .12; }
.dot:hover, .spot:hover { stroke-opacity: .3; }
"""
STYLE = Markup(f"{_LIGHT}@media (prefers-color-scheme: dark) {{\n{_DARK}}}\n{_SHAPES}")

_MARGIN, _LINE, _LETTER = 16, 18, 6.6  # pixels: around a chart, of a line of text, of a letter
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"


def write(path: Path, charts: Sequence[Chart]) -> None:
    """Writes charts below each other, each with its title and legend.

    Raises:
      InputError: if the file cannot be written.
    """
    try:
        results.replace_text(path, _svg(charts))
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose another file") from None


def _svg(charts: Sequence[Chart]) -> Markup:
    """The text of the file."""
    parts, top = [], _MARGIN
    for chart in charts:
        part, height = _panel(chart)
        parts.append(Markup('<g transform="translate({},{})">{}</g>').format(_MARGIN, top, part))
        top += height + _MARGIN
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}" width="{0}" height="{1}" '
        'font-family="{2}"><style>{3}</style><rect class="sheet" width="{0}" height="{1}"/>{4}'
        "</svg>\n"
    ).format(WIDTH + 2 * _MARGIN, top, _FONT, STYLE, Markup("").join(parts))


def _panel(chart: Chart) -> tuple[Markup, int]:
    """Title, legend and chart, and how high they are together."""
    legend, num_lines = _legend(chart)
    top = (1 + num_lines) * _LINE
    part = Markup(
        '<text y="12" font-weight="600">{}</text>{}<g transform="translate(0,{})">{}</g>'
    ).format(chart.title, legend, top, draw(chart))
    return part, top + HEIGHT


def _legend(chart: Chart) -> tuple[Markup, int]:
    """A key for each label, and the number of lines they need."""
    text = Markup('{}<text class="label" x="{}" y="{}">{}</text>')
    parts, x, line = [], 0.0, 1
    for label in chart.labels:
        width = 22 + _LETTER * len(label) + 14
        if x and x + width > WIDTH:
            x, line = 0.0, line + 1
        y = 12 + line * _LINE
        parts.append(text.format(_key(chart, label, x, y - 4), x + 22, y, label))
        x += width
    return Markup("").join(parts), line


def _key(chart: Chart, label: str, x: float, y: float) -> Markup:
    """A piece of the line, or a dot where there are only marks."""
    colour = chart.colour(label)
    if all(len(curve.x) == 1 for curve in chart.curves if curve.label == label):
        return Markup('<circle class="dot c{}" r="3" cx="{}" cy="{}"/>').format(colour, x + 8, y)
    line = Markup('<line class="line c{}" x1="{}" x2="{}" y1="{}" y2="{}"/>')
    return line.format(colour, x, x + 16, y, y)
