"""The table and the verdicts of a study, from its results: as text, and on a page with pictures.

The table has the terms of the comparison: parameters, updates, seconds of training, arithmetic,
steps of the chain. A number is the mean over seeds, with its range in brackets.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.words import near
from tf_shortrun.reporting.claims import RULE, Claim, Verdict, judge
from tf_shortrun.reporting.pages import page
from tf_shortrun.reporting.results import Result
from tf_shortrun.reporting.study import Study
from tools import tables
from tools.tables import Runs

TERMS = ["seeds", "parameters", "updates", "seconds", "TFLOP", "K", "elsewhere"]
PICTURES = ("samples", "reconstructions")
_TERMS = (
    "A number is the mean over seeds, with the range in brackets. Parameters are those of the "
    "generator, then of other networks; updates, seconds of training, arithmetic and steps of the "
    "chain (K) say on what terms the methods are compared."
)


def table(study: Study, runs: Runs) -> pd.DataFrame:
    """Returns a row of text for each arm: metrics, terms, and figures quoted from elsewhere.

    A metric that an arm does not have, e.g. a likelihood without a density, is left empty.

    Raises:
      InputError: if there are runs, and none has a metric that the study shows.
    """
    metrics = list(dict.fromkeys([*(c.metric for c in study.orderings), *study.shown]))
    known = {name for arm in study.arms for run in runs[arm] for name in run.metrics}
    if known and (odd := next((m for m in metrics if m not in known), None)):
        raise InputError(f"no run of {study.title!r} has a metric {odd!r}: {near(odd, [*known])}")
    rows = {}
    for arm in study.arms:
        whole = [run for run in runs[arm] if run.status == "finished"]
        values = [
            tables.summary([run.metrics[m] for run in whole if m in run.metrics]) for m in metrics
        ]
        rows[arm] = [*values, *_terms(whole, len(runs[arm])), study.quoted.get(arm, "")]
    frame = pd.DataFrame.from_dict(rows, "index", columns=[*metrics, *TERMS])
    return frame.rename_axis("arm")


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


def markdown(studies: Mapping[str, Study], runs: Runs) -> str:
    """Returns the page of all studies, by name, without pictures."""
    parts = ["# Studies", f"{_TERMS} {RULE}"]
    for name, study in studies.items():
        parts.append(f"## {study.title} ([pictures](studies.html#{name}))")
        parts.append(tables.markdown(table(study, runs)).rstrip())
        parts.append("\n".join(f"- {line}" for line in verdicts(study, runs)))
    return "\n\n".join(filter(None, parts)) + "\n"


def html(studies: Mapping[str, Study], runs: Runs, folder: Path) -> str:
    """Returns the page of all studies with pictures; it lies beside the folder of results."""
    sections = [
        {
            "name": name,
            "title": study.title,
            "table": table(study, runs).reset_index(),
            "verdicts": [line.replace("**", "") for line in verdicts(study, runs)],
            "pictures": {arm: _pictures(arm, runs[arm], folder) for arm in study.arms},
        }
        for name, study in studies.items()
    ]
    return page("studies.html", rule=f"{_TERMS} {RULE}", studies=sections)


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


def _pictures(arm: str, runs: Sequence[Result], folder: Path) -> list[str]:
    """Addresses of the pictures that were kept of the first seed."""
    names = [f"{arm}_{run.seed}_{picture}.png" for run in runs[:1] for picture in PICTURES]
    kept = [path for name in names for path in folder.rglob(name)]
    return [path.relative_to(folder.parent).as_posix() for path in kept]
