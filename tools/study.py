"""Runs what is missing of a study: every arm with every seed, one process each.

    python -m tools.study reproduce/studies/mnist.py [--jobs=2] [--workdir=runs] [--list]

A run is what `python -m tf_shortrun.main` does with the files of its arm; its result is copied to
reproduce/results/<family>, `<name>_<seed>.json`, that of the first seed with pictures, and what
lies there is not run again. The family is the folder of tf_shortrun/methods that the learner is
from. Stopped at any time, the same command goes on where checkpoints were. With several
jobs each has its share of the cores to itself, so that seconds can be compared. Seeds come in
rounds: after the first round there is one run of every arm. `python -m tools.results_table` makes
the tables.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import itertools
import os
import queue
import re
import shlex
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import results
from tf_shortrun.reporting.study import Study, read
from tools import children, command

RESULTS = Path("reproduce/results")
PICTURES = ("samples", "reconstructions")


class Cell(NamedTuple):
    """One run of an arm."""

    arm: str
    seed: int
    settings: list[str]
    pictures: tuple[str, ...]  # that are kept

    @property
    def name(self) -> str:
        return f"{self.arm}_{self.seed}"

    def command(self, workdir: Path) -> list[str]:
        """For a shell in the root of the checkout."""
        files = [f"--gin_file={s}" for s in self.settings if "=" not in s]
        bindings = [f"--gin_bindings={s}" for s in self.settings if "=" in s]
        seed = f"--gin_bindings=experiment.Experiment.seed = {self.seed}"
        where = f"--workdir={workdir / self.name}"
        return ["python", "-m", "tf_shortrun.main", *files, *bindings, seed, where, "--noexport"]


def missing(study: Study, folder: Path = RESULTS) -> list[Cell]:
    """The runs that have no result yet, a round of all arms for each seed."""
    pairs = itertools.product(study.seeds, study.arms)
    kept = {study.seeds[0]: PICTURES}
    cells = [Cell(arm, seed, list(study.arms[arm]), kept.get(seed, ())) for seed, arm in pairs]
    there = {path.stem for path in folder.rglob("*.json")}
    return [cell for cell in cells if cell.name not in there]


def run(cell: Cell, workdir: Path, cores: set[int], folder: Path = RESULTS) -> None:
    """Runs it on these cores and keeps its result, be it that it diverged.

    Raises:
      InputError: if it failed otherwise, or its result has another name than its arm.
    """
    log = workdir / f"{cell.name}.log"
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / cell.name / "results.json"
    path.unlink(missing_ok=True)
    command = [sys.executable, *cell.command(workdir)[1:]]
    with log.open("w") as out:
        code = children.run(command, out, cores)
    result = results.read(path) if path.exists() else None
    if result is None or (code and result.status != "diverged"):
        raise InputError(f"{cell.name} ended with code {code}: see {log}")
    if result.name != cell.arm:
        raise InputError(f"the result of arm {cell.arm} is called {result.name}: rename the arm")
    folder /= family(workdir / cell.name)
    folder.mkdir(parents=True, exist_ok=True)
    for name in cell.pictures:
        if (picture := workdir / cell.name / f"{name}.png").exists():
            shutil.copy(picture, folder / f"{cell.name}_{name}.png")
    shutil.copy(path, folder / f"{cell.name}.json")


def family(workdir: Path) -> str:
    """The package of methods that the learner of a run is from, by its settings."""
    settings = (workdir / "operative.gin").read_text()
    found = re.search(r"^from tf_shortrun\.methods\.(\w+) import", settings, re.MULTILINE)
    return found[1] if found else ""  # a learner of somebody else


def run_all(cells: list[Cell], workdir: Path, jobs: int) -> list[str]:
    """Runs them, `jobs` at a time; returns what went wrong, a line each."""
    cores = sorted(os.sched_getaffinity(0))
    shares = queue.SimpleQueue()
    for job in range(jobs):
        shares.put(set(cores[job::jobs]))

    def work(cell: Cell) -> str:
        if children.stopped():
            return ""
        share = shares.get()
        try:
            print(f"{cell.name} begins\n", end="", flush=True)  # at once, among others
            run(cell, workdir, share)
        except InputError as error:
            return str(error)
        finally:
            shares.put(share)
        return ""

    with ThreadPoolExecutor(jobs) as pool:
        return [line for line in pool.map(work, cells) if line]


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("study", __doc__)
    parser.add_argument("study", type=Path, help="its Python file")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, at most one a core")
    parser.add_argument("--workdir", type=Path, default=Path("runs"), help="of all its runs")
    parser.add_argument("--list", action="store_true", help="only print the missing commands")
    return command.run(parser, _study, arguments)


def _study(options) -> int:
    cells = missing(read(options.study))
    if not 1 <= options.jobs <= len(os.sched_getaffinity(0)):
        raise InputError(f"{options.jobs} jobs: choose from 1 to the number of cores")
    if options.list:
        print(*(shlex.join(cell.command(options.workdir)) for cell in cells), sep="\n")
        return 0
    with children.ended_with_us():
        failed = run_all(cells, options.workdir, options.jobs)
    print(*failed, sep="\n", file=sys.stderr, end="")
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
