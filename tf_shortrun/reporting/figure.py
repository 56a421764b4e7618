"""Charts as SVG inside a page, and as SVG and PDF files of their own."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import replace_text
from tf_shortrun.reporting.charts import COLOURS, Chart, draw

WIDTH, HEIGHT = 4.8, 2.9  # inches
_INK, _GRID = "#24282d", "#e3e0d9"
# In a page these colours follow its light or dark mode.
_VARIABLES = {_INK: "ink", _GRID: "rule"} | {c: f"c{i}" for i, c in enumerate(COLOURS)}
_RC = {
    "svg.fonttype": "none", "svg.hashsalt": "tf_shortrun", "pdf.fonttype": 42,  # text stays text
    "font.size": 9, "font.family": "sans-serif", "axes.titleweight": "bold",
    "axes.titlesize": 10, "axes.grid": True, "axes.axisbelow": True, "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK, "axes.titlecolor": _INK, "grid.color": _GRID, "text.color": _INK,
    "xtick.color": _INK, "ytick.color": _INK, "lines.linewidth": 1.4, "lines.markersize": 4,
    "legend.frameon": False, "legend.fontsize": 8,
}  # fmt: skip


def inline(chart: Chart) -> Markup:
    """Returns a chart as an `<svg>` element for a page that defines --ink, --rule, --c0, ..."""
    text = _text([chart], "svg", transparent=True).decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    for colour, name in _VARIABLES.items():
        text = text.replace(colour, f"var(--{name})")
    return Markup(text)


def write(path: Path, charts: Sequence[Chart]) -> None:
    """Writes charts below each other as SVG, and for papers as PDF beside it.

    Raises:
      InputError: if a file cannot be written.
    """
    try:
        replace_text(path, _text(charts, "svg").decode())
        path.with_suffix(".pdf").write_bytes(_text(charts, "pdf"))
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose another file") from None


def _text(charts: Sequence[Chart], kind: str, transparent: bool = False) -> bytes:
    """The file; the same charts give the same bytes."""
    # A title with a $ is no formula.
    with matplotlib.rc_context(_RC | {"text.parse_math": False}):
        figure = Figure((WIDTH, HEIGHT * len(charts)), layout="constrained")
        for axes, chart in zip(
            figure.subplots(len(charts), squeeze=False)[:, 0], charts, strict=True
        ):
            draw(axes, chart)
        buffer = io.BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
        figure.savefig(buffer, format=kind, transparent=transparent, metadata=metadata)
    return buffer.getvalue()
