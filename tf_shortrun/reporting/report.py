"""One page about one run, complete in itself: numbers, curves, pictures, settings."""

import base64
import collections
import dataclasses
import string
from pathlib import Path

from markupsafe import Markup, escape
from PIL import Image

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import curves, figure, results
from tf_shortrun.reporting.charts import Chart, line_chart, number
from tf_shortrun.reporting.results import METRICS, Result, pattern_of

PAGE = Path(__file__).parent / "templates/report.html"
NUM_CARDS = 6
PICTURE_WIDTH = 680  # pixels; small pictures grow towards it by a whole factor

# How to read a picture, in the order of the page; others come after, by name.
CAPTIONS = {
    "samples": "New observations, each from fresh noise. Judge variety as well as sharpness: "
    "tiles that look alike are missing modes.",
    "reconstructions": "Test images above, and below each of them what the model makes of it.",
    "inpaintings": "Three rows for each kind of mask: test images; what the model was shown of "
    "them, the hidden pixels grey; the same with the hidden pixels filled in by the model.",
    "interpolations": "Each row leads from one test image to another one through the latent "
    "space. A good way is smooth, and what lies on it is itself a good sample.",
    "mode_counts": "How often samples fall on each mode. A cell is a number of stacked digits: the "
    "last digit gives its column, the one before its row, the others its block. Mid grey is a "
    "fair share, white twice that or more; red is never.",
    "energy": "The density that the energy gives on the plane, on a logarithmic scale of 10 nats: "
    "the brightest cell is white, ten nats less are black.",
    "walks": "Above, test observations leave the data, step by step from left to right; below, new "
    "ones come back from noise. Points lie above the test points, in grey.",
    "latent_chains": "One strip for each chain among the latents, in the order of the settings, "
    "all from the same start on the left. Points lie above the test points, in grey.",
    "gibbs_chains": "Each row begins at the code of a test image and follows a chain of Gibbs "
    "sweeps of the prior, decoded. A prior that mixes leaves the image and comes to others; one "
    "that fits the codes stays among good images.",
    "code_usage": "A bar for each bit, as high as the share of codes that set it: above, codes of "
    "test images, in order; below, draws of the prior, bits in the same order. Bars below should "
    "end at the orange ticks. Bits that are full or empty above say nothing of an image.",
    "log_partition": "log Z of the prior, annealed from independent bits on the left to the prior "
    "on the right, and back. Above both estimates, below how far each is from their mean. Where "
    "the curves part by a nat or more, likelihoods are not to be trusted.",
    "layers": "What each latent layer controls, the top layer first. Every block of rows begins "
    "with the same samples; in the other columns one layer has new noise and the other layers "
    "keep theirs. What changes along a row belongs to that layer.",
}


def report(workdir: Path) -> Path:
    """Writes `report.html` (and `step_sizes.svg`) from what lies in `workdir`; returns its path.

    Reads `results.json`, and where they are there `history.jsonl` (a line each:
    {"step", "seconds" since the start, names...}; {"step", "eval": true, metrics...}),
    `step_sizes.jsonl`, `operative.gin` and every `*.png`. The page loads nothing from elsewhere.

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


def _ordered(result: Result) -> list[str]:
    """Metric names in the order of `METRICS`, then by name."""
    rank = {pattern: k for k, pattern in enumerate(METRICS)}
    return sorted(result.metrics, key=lambda name: (rank[pattern_of(name)], name))


def _explain(result: Result, name: str) -> tuple[str, str]:
    """(which way is better, what the number is and how it was made)."""
    pattern = pattern_of(name)
    metric = METRICS[pattern]
    better = f"{metric.better} is better" if metric.better else "for comparison"
    return better, result.protocol.get(name, result.protocol.get(pattern, metric.meaning))


def _cards(result: Result) -> Markup:
    names = _ordered(result)
    names = [name for name in names if name in result.protocol] or names
    card = Markup('<div class="card"><h3>{}</h3><p class="value">{}</p><p>{}</p><p>{}</p></div>')
    values = [(name, number(result.metrics[name])) for name in names[:NUM_CARDS]]
    return Markup("").join(card.format(*value, *_explain(result, value[0])) for value in values)


def _table(result: Result) -> Markup:
    row = Markup("<tr><th>{}<p>{}</p></th><td>{:.6g}</td><td>{}</td></tr>")
    rows = []
    for name in _ordered(result):
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
    names = sorted(path.stem for path in workdir.glob("*.png"))
    known = [name for name in CAPTIONS if name in names]
    names = dict.fromkeys([*known, *names])
    return Markup("").join(_picture(workdir / f"{name}.png") for name in names)


def _picture(path: Path) -> Markup:
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
    caption = CAPTIONS.get(path.stem, "")
    return frame.format(path.stem, caption, path.stem, width * times, height * times, data)


def _facts(result: Result) -> Markup:
    facts = result.hardware | {"gpus": ", ".join(result.hardware["gpus"]) or "none"}
    row = Markup("<div><dt>{}</dt><dd>{}</dd></div>")
    return Markup("").join(row.format(*fact) for fact in (facts | result.versions).items())
