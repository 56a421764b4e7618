"""Writes every table of the pages from the results of runs.

    python -m tools.results_table            rewrites the pages
    python -m tools.results_table --check    exits with code 2 if one is not up to date

The header of a pin, `reproduce/<pin>.gin`, says what its runs must reach:

    # Target: frechet/inception2015 <= 52.7 (source and status of that number)
    # Target(cpu): mse <= 0.05 (our own bar at the scale of a CPU)
    # Results: short_run_celeba

Between two markers of reproduce/README.md a row is a target. It is judged by the mean over the
seeds that ran at the scale of the target, and by nothing else: a number of another scale is shown,
not judged. Results are `reproduce/results/<family>/<name>_<seed>.json`, where <name> is the method,
the data set and the variant; a pin takes its own name for it unless `Results` says more. A pin with
several `Results` is judged by the first.

Studies, `reproduce/studies/<study>.py`, have their tables and verdicts in reproduce/studies.md, and
with pictures in reproduce/studies.html. reproduce/runs.md has every number of every other run. On
all other pages (README.md, reproduce/*.md, docs/methods/*.md, docs/guide/safety.md,
tools/BENCHMARK.md) the tables and numbers that they ask for are filled in (`tools/tables.py`;
`tools/benchmark_tables.py` fills those of the benchmark's and the soak's files).
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import functools
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import replace_text
from tf_shortrun.reporting.results import Result
from tools import benchmark_tables, command, study_table, tables
from tools.pins import Pin, Target, read_pin, read_results, read_studies
from tools.tables import Runs

REPRODUCE = Path(__file__).resolve().parent.parent / "reproduce"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
HEAD = ["pin", "metric", "paper (source, status)", "ours", "scale", "verdict"]


def judge(target: Target, runs: Sequence[Result]) -> tuple[str, str]:
    """(our number, PASS or FAIL or NOT RUN)."""
    target.check(runs)
    if any(run.status == "diverged" and run.scale == target.scale for run in runs):
        return "a run diverged", "FAIL"
    runs = [run for run in runs if target.metric in run.metrics]
    judged = [run.metrics[target.metric] for run in runs if run.scale == target.scale]
    if judged:
        is_met = target.is_met(statistics.fmean(judged))
        return _summary(judged), "PASS" if is_met else "FAIL"
    others = [run.metrics[target.metric] for run in runs]
    ours = f"{_summary(others)} at scale {runs[0].scale}" if others else ""
    return ours, "NOT RUN"


def write(reproduce: Path) -> dict[Path, str]:
    """Returns the text of every page.

    Raises:
      InputError: if a pin, a study or a result cannot be read, a result belongs to none, or a page
        asks for what is not there.
    """
    pins = [read_pin(path) for path in sorted(reproduce.glob("*.gin"))]
    studies = read_studies(reproduce)
    runs = read_results(reproduce / "results", pins, studies.values())
    readme, others = reproduce / "README.md", reproduce / "runs.md"
    made = {
        reproduce / "studies.md": study_table.markdown(studies, runs),
        reproduce / "studies.html": study_table.html(studies, runs, reproduce / "results"),
        others: "\n".join(["# Every number of every other run", "", *_other_runs(pins, runs), ""]),
    }
    root = reproduce.parent
    pages = [root / "README.md", *reproduce.glob("*.md"), *root.glob("docs/methods/*.md")]
    pages += [*root.glob("docs/notes/*.md")]
    pages += [*root.glob("docs/guide/safety.md"), *root.glob("tools/BENCHMARK.md")]
    files = root / "tools" / "benchmarks"
    filled = {path: benchmark_tables.fill(_text(path), files) for path in pages if path.exists()}
    asked = {path: tables.fill(text, runs) for path, text in filled.items()}
    index = insert(asked.get(readme, ""), targets(pins, runs))
    return asked | {readme: index} | made


def targets(pins: Sequence[Pin], runs: Runs) -> str:
    """Returns the table of all targets in Markdown, and the names of pins without one."""
    rows = []
    for pin in pins:
        for target in pin.targets:
            ours, verdict = judge(target, runs[pin.results[0]])
            paper = f"{target.sign} {target.bound:g} ({target.source})"
            rows.append(
                [f"[{pin.file}]({pin.file})", target.metric, paper, ours, target.scale, verdict]
            )
    frame = pd.DataFrame(rows, columns=HEAD).set_index(HEAD[0])
    bare = ", ".join(pin.file for pin in pins if not pin.targets)
    return tables.markdown(frame) + (f"\nWithout a target: {bare}." if bare else "")


def insert(text: str, new: str) -> str:
    """`text` with what lies between the markers replaced by `new`.

    Raises:
      InputError: if the two markers are not there, once and in this order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise InputError(f"README.md needs the line {BEGIN} and below it the line {END}, once")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def main(arguments: list[str] | None = None, reproduce: Path = REPRODUCE) -> int:
    """Returns the exit code."""
    parser = command.parser("results_table", __doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    return command.run(parser, functools.partial(_write, reproduce), arguments)


def _write(reproduce: Path, options) -> None:
    new = write(reproduce)
    stale = [path for path, text in new.items() if _text(path) != text]
    if options.check and stale:
        raise InputError(f"{stale[0]} is not up to date: run python -m tools.results_table")
    for path in stale:
        replace_text(path, new[path])


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _other_runs(pins: Sequence[Pin], runs: Runs) -> list[str]:
    return [_measured(run) for pin in pins for name in pin.results for run in runs[name]]


def _measured(run: Result) -> str:
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in run.metrics.items())
    made = f"scale {run.scale}, seed {run.seed}, {run.steps} steps in {run.seconds:.0f} s"
    return f"- {run.name} ({made}): {numbers}"


def _summary(values: Sequence[float]) -> str:
    return tables.summary(values).replace(")", f", n = {len(values)})")


if __name__ == "__main__":
    sys.exit(main())
