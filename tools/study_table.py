"""The table and the verdicts of a study, from its results: as text, and as a page with pictures.

Equal terms stand in the table: parameters, updates, seconds of training, arithmetic, steps of the
chain. A number is the mean over seeds, its range in brackets.
"""

import statistics
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from tf_shortrun.results import Result
from tf_shortrun.study import Study, verdict

PAGE = Path(__file__).with_name("study_page.html")
TERMS = ["seeds", "parameters", "updates", "seconds", "TFLOP", "K", "elsewhere"]
PICTURES = ("samples", "reconstructions")
Runs = Mapping[str, Sequence[Result]]


def table(study: Study, runs: Runs) -> list[list[str]]:
    """A row of words for each arm, after the names of the columns."""
    metrics = dict.fromkeys([*(claim.metric for claim in study.orderings), *study.shown])
    rows = [["arm", *metrics, *TERMS]]
    for arm in study.arms:
        values = [summary([run.metrics[m] for run in runs[arm]]) for m in metrics]
        rows.append([arm, *values, *_terms(runs[arm]), study.quoted.get(arm, "")])
    return rows


def verdicts(study: Study, runs: Runs) -> list[str]:
    """A line for each claim."""
    claims = study.orderings
    return [f"{c.metric}: {' < '.join(c.arms)}: **{verdict(c, runs)}**" for c in claims]


def markdown(study: Study, runs: Runs, page: str) -> str:
    """The section of a study; `page` is the address of the one with pictures."""
    head, *rows = table(study, runs)
    lines = [_line(row) for row in (head, ["---"] * len(head), *rows)]
    claims = [f"- {line}" for line in verdicts(study, runs)]
    return "\n".join([f"### {study.title} ([pictures]({page}))", "", *lines, "", *claims])


def html(study: Study, runs: Runs, results: str) -> str:
    """The page; `results` is where it finds the pictures."""
    head, *rows = table(study, runs)
    cells = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(c) for c in row))
        for row in rows
    )
    slots = {
        "title": study.title,
        "head": Markup("").join(Markup("<th>{}</th>").format(name) for name in head),
        "rows": cells,
        "claims": Markup("").join(
            Markup("<li>{}</li>").format(line.replace("**", "")) for line in verdicts(study, runs)
        ),
        "pictures": Markup("").join(_pictures(arm, runs[arm], results) for arm in study.arms),
    }
    page = string.Template(PAGE.read_text(encoding="utf-8"))
    return page.substitute({name: escape(value) for name, value in slots.items()})


def summary(values: Sequence[float]) -> str:
    """Mean and range; nothing of nothing."""
    if len(values) < 2:
        return "".join(f"{value:.4g}" for value in values)
    return f"{statistics.fmean(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def _terms(runs: Sequence[Result]) -> list[str]:
    if not runs:
        return ["0 (NOT RUN)", *[""] * (len(TERMS) - 2)]
    metrics = runs[0].metrics
    parameters = [v for name, v in metrics.items() if name.startswith("parameters/")]
    arithmetic = metrics.get("flops_per_update", 0) * runs[0].steps * 1e-12
    return [
        str(len(runs)),
        " + ".join(f"{value:,.0f}" for value in parameters),
        f"{runs[0].steps:,}",
        f"{statistics.fmean(run.seconds for run in runs):.0f}",
        f"{arithmetic:.3g}" if arithmetic else "",
        f"{metrics['chain_steps']:.0f}" if "chain_steps" in metrics else "",
    ]


def _pictures(arm: str, runs: Sequence[Result], results: str) -> Markup:
    if not runs:
        return Markup("")
    shown = Markup('<img alt="{0} of {1}" src="{2}/{1}_{3}_{0}.png" loading="lazy">')
    images = Markup("").join(shown.format(p, arm, results, runs[0].seed) for p in PICTURES)
    return Markup("<figure><figcaption>{}</figcaption>{}</figure>").format(arm, images)


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |"
