"""Writes the table of results between two markers in reproduce/README.md.

    python -m tools.results_table            rewrites the table
    python -m tools.results_table --check    exits with code 2 if it is not up to date

The header of a pin, `reproduce/<pin>.gin`, says what its runs must reach:

    # Target: frechet/inception2015 <= 52.7 (source and status of that number)
    # Target(cpu): mse <= 0.05 (our own bar at the scale of a CPU)
    # Results: short_run_celeba

A row is a target. It is judged by the mean over the seeds that ran at the scale of
the target, and by nothing else: a number of another scale is shown, not judged.
Results are `reproduce/results/<family>/<name>_<seed>.json`, where <name> is the method, the
data set and the variant; a pin takes its own name for it unless `Results` says more.
A pin with several `Results` is judged by the first. A study, `reproduce/studies/<study>.py`, has
a table of its own below, and a place in `reproduce/studies.html`, with pictures.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import functools
import statistics
import sys
from pathlib import Path

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import results
from tf_shortrun.reporting.claims import RULE
from tf_shortrun.reporting.results import Result
from tools import command, study_table
from tools.pins import Target, read_pin, read_results, read_studies

REPRODUCE = Path(__file__).resolve().parent.parent / "reproduce"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
HEAD = ["pin", "metric", "paper (source, status)", "ours", "scale", "verdict"]


def judge(target: Target, runs: list[Result]) -> tuple[str, str]:
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


def table(reproduce: Path) -> str:
    """The table in Markdown, below it a table for each study, and every number of every other run.

    Raises:
      InputError: if a pin, a study or a result cannot be read, or a result belongs to none.
    """
    pins = [read_pin(path) for path in sorted(reproduce.glob("*.gin"))]
    studies = read_studies(reproduce)
    runs = read_results(reproduce / "results", pins, studies.values())
    rows = [HEAD, ["---"] * len(HEAD)]
    for pin in pins:
        for target in pin.targets:
            ours, verdict = judge(target, runs[pin.results[0]])
            paper = f"{target.sign} {target.bound:g} ({target.source})"
            link = f"[{pin.file}]({pin.file})"
            rows.append([link, target.metric, paper, ours, target.scale, verdict])
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    bare = [pin.file for pin in pins if not pin.targets]
    lines += ["", f"Without a target: {', '.join(bare)}."] if bare else []
    lines += ["", RULE] if studies else []
    for name, study in studies.items():
        lines += ["", study_table.markdown(study, runs, f"studies.html#{name}")]
    measured = [_measured(run) for pin in pins for name in pin.results for run in runs[name]]
    fold = ["", "<details>", "<summary>Every number of every other run</summary>", ""]
    return "\n".join(lines + ([*fold, *measured, "", "</details>"] if measured else []))


def page(reproduce: Path) -> str:
    """All studies with their pictures, for `reproduce/studies.html`."""
    pins = [read_pin(path) for path in sorted(reproduce.glob("*.gin"))]
    studies = read_studies(reproduce)
    runs = read_results(reproduce / "results", pins, studies.values())
    return study_table.html(studies, runs, reproduce / "results")


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
    readme = reproduce / "README.md"
    new = {
        readme: insert(_text(readme), table(reproduce)),
        reproduce / "studies.html": page(reproduce),
    }
    stale = [path for path, text in new.items() if _text(path) != text]
    if options.check and stale:
        raise InputError(f"{stale[0]} is not up to date: run python -m tools.results_table")
    for path in stale:
        results.replace_text(path, new[path])


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _measured(run: Result) -> str:
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in run.metrics.items())
    made = f"scale {run.scale}, seed {run.seed}, {run.steps} steps in {run.seconds:.0f} s"
    return f"- {run.name} ({made}): {numbers}"


def _summary(values: list[float]) -> str:
    text = study_table.summary(values)
    return text.replace(")", f", n = {len(values)})")


if __name__ == "__main__":
    sys.exit(main())
