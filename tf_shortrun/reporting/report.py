"""One page about one run, complete in itself: numbers, curves, pictures, settings."""

import base64
import collections
import dataclasses
import json
import string
from pathlib import Path

from markupsafe import Markup, escape
from PIL import Image

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import curves, figure, results
from tf_shortrun.reporting.charts import Chart, line_chart, number
from tf_shortrun.reporting.results import Result

PAGE = Path(__file__).parent / "templates/report.html"
NUM_CARDS = 6
PICTURE_WIDTH = 680  # pixels; small pictures grow towards it by a whole factor


def report(workdir: Path) -> Path:
    """Writes `report.html` (and `step_sizes.svg`) from what lies in `workdir`; returns its path.

    Reads `results.json`, and where they are there `history.jsonl` (a line each:
    {"step", "seconds" since the start, names...}; {"step", "eval": true, metrics...}),
    `step_sizes.jsonl`, `operative.gin`, `pictures.json` (captions by name) and every `*.png`.
    The page loads nothing from elsewhere.

    Raises:
      InputError: if there is no result, or a file is not what its name says.
    """
    result = results.read(workdir / "results.json")
    settings, step_sizes = workdir / "operative.gin", curves.step_size_charts(workdir)
    if step_sizes:  # also as a picture of its own, for other pages
        figure.write(workdir / "step_sizes.svg", step_sizes)
    slots = {
        "chart_style": figure.STYLE,
        "title": f"{result.method} on {', '.join(filter(None, [result.dataset, result.variant]))}",
        "steps": f"{result.steps:,}",
        "duration": _duration(result.seconds),
        "machine": _machine(result.hardware),
        "commit": result.commit or "unknown",
        "cards": _cards(result),
        "pictures": _pictures(workdir),
        "curves": _charts(curves.history_charts(workdir)),
        "step_sizes": _charts(step_sizes),
        "table": _table(result),
        "settings": settings.read_text(encoding="utf-8") if settings.exists() else "",
        "facts": _facts(result),
    }
    slots = dataclasses.asdict(result) | slots
    page = string.Template(PAGE.read_text(encoding="utf-8"))
    # escape() leaves Markup as it is: whatever else reaches the page is text.
    page = page.substitute({name: escape(value) for name, value in slots.items()})
    results.replace_text(workdir / "report.html", page)
    return workdir / "report.html"


def _machine(hardware: dict) -> str:
    gpus = collections.Counter(hardware["gpus"]).items()
    return ", ".join(f"{n} x {gpu}" for gpu, n in gpus) or "{cpu}, {cores} cores".format(**hardware)


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _explain(result: Result, name: str) -> tuple[str, str]:
    """(which way is better, what the number is and how it was made)."""
    better = result.better[name]
    return f"{better} is better" if better else "for comparison", result.protocol[name]


def _cards(result: Result) -> Markup:
    card = Markup('<div class="card"><h3>{}</h3><p class="value">{}</p><p>{}</p><p>{}</p></div>')
    names = list(result.metrics)[:NUM_CARDS]
    values = [(name, number(result.metrics[name])) for name in names]
    return Markup("").join(card.format(*value, *_explain(result, value[0])) for value in values)


def _table(result: Result) -> Markup:
    row = Markup("<tr><th>{}<p>{}</p></th><td>{:.6g}</td><td>{}</td></tr>")
    rows = []
    for name in result.metrics:
        better, meaning = _explain(result, name)
        rows.append(row.format(name, meaning, result.metrics[name], better))
    return Markup("").join(rows)


def _charts(charts: list[Chart]) -> Markup:
    frame = Markup("<figure><figcaption><h3>{}</h3>{}</figcaption>{}</figure>")
    key = Markup('<span class="key"><i class="c{}"></i>{}</span>')
    figures = []
    for chart in charts:
        keys = [key.format(chart.colour(label), label) for label in chart.labels]
        figures.append(frame.format(chart.title, Markup(" ").join(keys), line_chart(chart)))
    return Markup("").join(figures)


def _pictures(workdir: Path) -> Markup:
    captions = _captions(workdir / "pictures.json")
    there = sorted(path.stem for path in workdir.glob("*.png"))
    names = [*(name for name in captions if name in there), *there]
    pictures = (_picture(workdir / f"{n}.png", captions.get(n, "")) for n in dict.fromkeys(names))
    return Markup("").join(pictures)


def _captions(path: Path) -> dict[str, str]:
    """How to read pictures, by name in the order of the page; others come after, by name."""
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError:
        raise InputError(f"{path} is not JSON: delete it or draw the pictures anew") from None


def _picture(path: Path, caption: str) -> Markup:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            width, height = image.size
    except OSError:
        raise InputError(f"{path} is not a PNG picture: delete it or draw it anew") from None
    times = max(1, PICTURE_WIDTH // width)
    frame = Markup(
        "<figure><figcaption><h3>{}</h3><p>{}</p></figcaption>"
        '<img alt="{}" width="{}" height="{}" src="data:image/png;base64,{}"></figure>'
    )
    data = base64.b64encode(path.read_bytes()).decode()
    return frame.format(path.stem, caption, path.stem, width * times, height * times, data)


def _facts(result: Result) -> Markup:
    facts = result.hardware | {"gpus": ", ".join(result.hardware["gpus"]) or "none"}
    row = Markup("<div><dt>{}</dt><dd>{}</dd></div>")
    return Markup("").join(row.format(*fact) for fact in (facts | result.versions).items())
