"""What the files of `reproduce/` say: headers of pins, studies, and the results of both."""

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import results, study
from tf_shortrun.reporting.claims import better
from tf_shortrun.reporting.results import Result
from tf_shortrun.reporting.study import Study

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

    def check(self, runs: Sequence[Result]) -> None:
        """Raises InputError if it points the wrong way, by the runs that have the metric."""
        way = better(runs, self.metric)
        if way and self.sign != SIGNS[way]:
            said = f"{self.metric} {self.sign} {self.bound:g}"
            raise InputError(f"the target {said} points the wrong way: {way} is better")

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
      InputError: if a target cannot be read.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    header = list(itertools.takewhile(lambda line: line.startswith("#"), lines))
    names = [line.removeprefix("# Results: ") for line in header if line.startswith("# Results: ")]
    targets = [_read_target(path, line) for line in header if line.startswith("# Target")]
    return Pin(path.name, names or [path.stem], targets)


def read_studies(reproduce: Path) -> dict[str, Study]:
    """Every study, by the name of its file."""
    files = sorted(reproduce.glob("studies/*.py"))
    return {path.stem: study.read(path) for path in files}


def read_results(
    folder: Path, pins: list[Pin], studies: Iterable[Study]
) -> dict[str, list[Result]]:
    """The runs of each name that pins and studies take, in the order of their seeds.

    Raises:
      InputError: if a result cannot be read, belongs to none, or is not what its name says.
    """
    names = [name for pin in pins for name in pin.results]
    if len(set(names)) < len(names):
        raise InputError("two pins take the same results: tell them apart by '# Results: NAME'")
    runs = {name: [] for name in itertools.chain(names, *(one.arms for one in studies))}
    for path in sorted(folder.rglob("*.json")):
        result = results.read(path)
        if path.stem != f"{result.name}_{result.seed}":
            raise InputError(f"{path}: call it {result.name}_{result.seed}.json")
        if (result.commit or "").endswith("+dirty"):
            raise InputError(f"{path}: made by code that is in no commit: run it again from one")
        if result.name not in runs:
            raise InputError(f"{path}: write '# Results: {result.name}' on top of its pin")
        runs[result.name].append(result)
    return runs


def _read_target(path: Path, line: str) -> Target:
    found = TARGET.fullmatch(line.rstrip())
    if not found:
        form = "# Target: NAME <= NUMBER (source)"
        raise InputError(f"{path}: cannot read {line!r}: write it as {form!r}")
    bound, scale = float(found["bound"]), found["scale"] or "paper"
    return Target(scale, found["metric"], found["sign"], bound, found["source"])
