"""Writes the table of results between two markers in reproduce/README.md.

    python -m tools.results_table            rewrites the table
    python -m tools.results_table --check    exits with code 2 if it is not up to date

The header of a pin, `reproduce/<pin>.gin`, says what its runs must reach:

    # Target: frechet/inception2015 <= 52.7 (source and status of that number)
    # Target(cpu): mse <= 0.05 (our own bar at the scale of a CPU)
    # Results: short_run_celeba

A row is a target. It is judged by the mean over the seeds that ran at the scale of
the target, and by nothing else: a number of another scale is shown, not judged.
Results are `reproduce/results/<name>_<seed>.json`, where <name> is the method, the
data set and the variant; a pin takes its own name for it unless `Results` says more.
A pin with several `Results` is judged by the first.
"""

import argparse
import itertools
import re
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

from tf_shortrun import results
from tf_shortrun.errors import InputError
from tf_shortrun.results import Result

REPRODUCE = Path(__file__).resolve().parent.parent / "reproduce"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
HEAD = ["pin", "metric", "paper (source, status)", "ours", "scale", "verdict"]
SIGNS = {"lower": "<=", "higher": ">="}
TARGET = re.compile(
    r"# Target(?:\((?P<scale>cpu|paper)\))?: (?P<metric>\S+) (?P<sign><=|>=) "
    r"(?P<bound>[-+]?\d*\.?\d+(?:e[-+]?\d+)?) \((?P<source>.+)\)"
)


class Target(NamedTuple):
    """What a run at a scale must reach."""

    scale: str
    metric: str
    sign: str
    bound: float
    source: str

    def is_met(self, value: float) -> bool:
        """Whether `value` lies on the good side of the bound, or on it; NaN never does."""
        return value <= self.bound if self.sign == "<=" else value >= self.bound


class Pin(NamedTuple):
    """The header of a gin file."""

    file: str
    results: list[str]
    targets: list[Target]


def read_pin(path: Path) -> Pin:
    """The machine-readable lines in the comments on top of a gin file.

    Raises:
      InputError: if a target cannot be read or points the wrong way.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    header = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    names = [line.removeprefix("# Results: ") for line in header if line.startswith("# Results: ")]
    targets = [_read_target(path, line) for line in header if line.startswith("# Target")]
    return Pin(path.name, names or [path.stem], targets)


def judge(target: Target, runs: list[Result]) -> tuple[str, str]:
    """(our number, PASS or FAIL or NOT RUN)."""
    runs = [run for run in runs if target.metric in run.metrics]
    judged = [run.metrics[target.metric] for run in runs if run.scale == target.scale]
    if judged:
        is_met = target.is_met(statistics.fmean(judged))
        return _summary(judged), "PASS" if is_met else "FAIL"
    others = [run.metrics[target.metric] for run in runs]
    ours = f"{_summary(others)} at scale {runs[0].scale}" if others else ""
    return ours, "NOT RUN"


def table(reproduce: Path) -> str:
    """The table in Markdown, and below it every number of every run.

    Raises:
      InputError: if a pin or a result cannot be read, or a result belongs to no pin.
    """
    pins = [read_pin(path) for path in sorted(reproduce.glob("*.gin"))]
    runs = _read_results(reproduce / "results", pins)
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
    measured = [_measured(run) for pin in pins for name in pin.results for run in runs[name]]
    return "\n".join(lines + (["", *measured] if measured else []))


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
    parser = argparse.ArgumentParser(prog="python -m tools.results_table")
    parser.add_argument("--check", action="store_true", help="write nothing, only compare")
    check = parser.parse_args(arguments).check
    readme = reproduce / "README.md"
    try:
        old = readme.read_text(encoding="utf-8") if readme.exists() else ""
        new = insert(old, table(reproduce))
        if check and new != old:
            raise InputError(f"{readme} is not up to date: run python -m tools.results_table")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    if new != old:
        results.replace_text(readme, new)
    return 0


def _read_target(path: Path, line: str) -> Target:
    found = TARGET.fullmatch(line.rstrip())
    if not found:
        form = "# Target: NAME <= NUMBER (source)"
        raise InputError(f"{path}: cannot read {line!r}: write it as {form!r}")
    try:
        better = results.METRICS[results.pattern_of(found["metric"])].better
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if found["sign"] != SIGNS.get(better):
        way = better or "neither"
        raise InputError(f"{path}: {line!r} points the wrong way: {way} is better")
    bound, scale = float(found["bound"]), found["scale"] or "paper"
    return Target(scale, found["metric"], found["sign"], bound, found["source"])


def _read_results(folder: Path, pins: list[Pin]) -> dict[str, list[Result]]:
    names = [name for pin in pins for name in pin.results]
    runs = {name: [] for name in names}
    if len(runs) < len(names):
        raise InputError("two pins take the same results: tell them apart by '# Results: NAME'")
    for path in sorted(folder.glob("*.json")):
        result = results.read(path)
        if path.stem != f"{result.name}_{result.seed}":
            raise InputError(f"{path}: call it {result.name}_{result.seed}.json")
        if (result.commit or "").endswith("+dirty"):
            raise InputError(f"{path}: made by code that is in no commit: run it again from one")
        if result.name not in runs:
            raise InputError(f"{path}: write '# Results: {result.name}' on top of its pin")
        runs[result.name].append(result)
    return runs


def _measured(run: Result) -> str:
    numbers = ", ".join(f"{name} {value:.4g}" for name, value in run.metrics.items())
    made = f"scale {run.scale}, seed {run.seed}, {run.steps} steps in {run.seconds:.0f} s"
    return f"- {run.name} ({made}): {numbers}"


def _summary(values: list[float]) -> str:
    mean = f"{statistics.fmean(values):.4g}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.4g} to {max(values):.4g}, n = {len(values)})"


if __name__ == "__main__":
    sys.exit(main())
