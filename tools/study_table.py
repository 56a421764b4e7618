"""The table and the verdicts of a study, from its results: as text, and on a page with pictures.

Equal terms stand in the table: parameters, updates, seconds of training, arithmetic, steps of the
chain. A number is the mean over seeds, its range in brackets.
"""

import statistics
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from tf_shortrun.reporting.claims import RULE, Claim, Verdict, judge
from tf_shortrun.reporting.results import Result
from tf_shortrun.reporting.study import Study

PAGE = Path(__file__).with_name("study_page.html")
TERMS = ["seeds", "parameters", "updates", "seconds", "TFLOP", "K", "elsewhere"]
PICTURES = ("samples", "reconstructions")
Runs = Mapping[str, Sequence[Result]]


def table(study: Study, runs: Runs) -> list[list[str]]:
    """A row of words for each arm, after the names of the columns."""
    metrics = dict.fromkeys([*(claim.metric for claim in study.orderings), *study.shown])
    rows = [["arm", *metrics, *TERMS]]
    for arm in study.arms:
        whole = [run for run in runs[arm] if run.status == "finished"]
        values = [summary([run.metrics[m] for run in whole]) for m in metrics]
        rows.append([arm, *values, *_terms(whole, len(runs[arm])), study.quoted.get(arm, "")])
    return rows


def verdicts(study: Study, runs: Runs) -> list[str]:
    """A line for each claim."""
    claims = study.orderings
    return [_judged(*pair) for pair in zip(claims, judge(claims, runs), strict=True)]


def _judged(claim: Claim, verdict: Verdict) -> str:
    said = f"{claim.metric}: {' < '.join(claim.arms)}: **{verdict.word}**"
    if verdict.word == "NOT RUN":
        return said
    p, corrected = (f"{value:.2g}".removeprefix("0") for value in verdict[1:])
    return f"{said} (p = {p}, corrected {corrected})"


def markdown(study: Study, runs: Runs, page: str) -> str:
    """The section of a study; `page` is the address of the one with pictures."""
    head, *rows = table(study, runs)
    lines = [_line(row) for row in (head, ["---"] * len(head), *rows)]
    claims = [f"- {line}" for line in verdicts(study, runs)]
    return "\n".join([f"### {study.title} ([pictures]({page}))", "", *lines, "", *claims])


def html(studies: Mapping[str, Study], runs: Runs, folder: Path) -> str:
    """The page of all studies, by name; it lies beside the folder of results and pictures."""
    sections = [_section(name, study, runs, folder) for name, study in studies.items()]
    return string.Template(PAGE.read_text(encoding="utf-8")).substitute(
        rule=RULE, studies=Markup("").join(sections)
    )


def _section(name: str, study: Study, runs: Runs, folder: Path) -> Markup:
    head, *rows = table(study, runs)
    return Markup(
        '<h2 id="{}">{}</h2>'
        '<div class="wide"><table><thead>{}</thead><tbody>{}</tbody></table></div>'
        '<ul>{}</ul><div class="pictures">{}</div>'
    ).format(
        name,
        study.title,
        _row("th", head),
        Markup("").join(_row("td", row) for row in rows),
        _each("li", [line.replace("**", "") for line in verdicts(study, runs)]),
        Markup("").join(_pictures(arm, runs[arm], folder) for arm in study.arms),
    )


def _row(tag: str, cells: Sequence[str]) -> Markup:
    return Markup("<tr>{}</tr>").format(_each(tag, cells))


def _each(tag: str, texts: Sequence[str]) -> Markup:
    frame = Markup(f"<{tag}>{{}}</{tag}>")
    return Markup("").join(frame.format(text) for text in texts)


def summary(values: Sequence[float]) -> str:
    """Mean and range; nothing of nothing."""
    if len(values) < 2:
        return "".join(f"{value:.4g}" for value in values)
    return f"{statistics.fmean(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def _terms(runs: Sequence[Result], num_begun: int) -> list[str]:
    lost = f", {num_begun - len(runs)} diverged" if num_begun > len(runs) else ""
    if not runs:
        return [f"0{lost or ' (NOT RUN)'}", *[""] * (len(TERMS) - 2)]
    metrics = runs[0].metrics
    parameters = [v for name, v in metrics.items() if name.startswith("parameters/")]
    arithmetic = total_flops(runs[0]) * 1e-12
    return [
        f"{len(runs)}{lost}",
        " + ".join(f"{value:,.0f}" for value in parameters),
        f"{runs[0].steps:,}",
        f"{statistics.fmean(run.seconds for run in runs):.0f}",
        f"{arithmetic:.3g}" if arithmetic else "",
        f"{metrics['chain_steps']:.0f}" if "chain_steps" in metrics else "",
    ]


def total_flops(run: Result) -> float:
    """Arithmetic of all updates of a run, 0 if it was not counted."""
    first = min(run.steps, run.metrics.get("first_updates", run.steps))
    second = (run.steps - first) * run.metrics.get("flops_per_second_update", 0)
    return first * run.metrics.get("flops_per_update", 0) + second


def _pictures(arm: str, runs: Sequence[Result], folder: Path) -> Markup:
    """Those that were kept of the first seed."""
    names = [f"{arm}_{run.seed}_{picture}.png" for run in runs[:1] for picture in PICTURES]
    kept = [path for name in names for path in folder.rglob(name)]
    shown = Markup('<img alt="{}" src="{}" loading="lazy">')
    images = Markup("").join(
        shown.format(path.name, path.relative_to(folder.parent).as_posix()) for path in kept
    )
    frame = Markup("<figure><figcaption>{}</figcaption>{}</figure>")
    return frame.format(arm, images) if kept else Markup("")


def _line(row: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |"
