"""Kills small runs of every method at random moments and shows that nothing is lost.

    python -m tools.soak [--kills=100] [--seed=1] [--methods vae gsn] [--jobs=2] [--json=FILE]

A run is killed (SIGKILL) once in each phase: while it starts, trains, saves, evaluates and exports;
then it ends, and its weights, history, results, pictures and exported weights must be bit-equal to
those of a run that nobody killed. After some kills a file is cut at a random place: one of the
newest checkpoint, or the history, whose lost lines are the only ones that may be missing then, with
a warning. The seed decides which phases and moments; where a kill hits also depends on the machine.

Prints a table of the kills by what the run was doing, and of the faults: updates that were lost or
runs that did not end, tracebacks, differences and damages without a word. The code is 1 if there
are any; the folder of the runs is kept then. Each process has one thread.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # no thread begins before a fork
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import json
import multiprocessing
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import tensorflow as tf

from tf_shortrun.reporting import provenance
from tools import command
from tools.children import end_with_parent
from tools.lives import COUNTED, FAULTS, live, shares
from tools.small_pins import SMALL_PINS
from tools.tables import markdown


def soak(options) -> int:
    """Makes the kills, prints the table, and returns the exit code."""
    # Bits depend on the number of threads. Raises an error if an import has computed something: a
    # fork would then wait for threads that it does not have.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    folder, begun = Path(tempfile.mkdtemp()), time.monotonic()
    found = _lives(shares(options.methods, options.kills), options, folder)
    table = pd.DataFrame.from_dict(found, "index", columns=COUNTED)
    table.loc["all"] = table.sum()
    print(markdown(table.astype(str)), end="", flush=True)
    if options.json:
        _write(Path(options.json), table, options, time.monotonic() - begun)
    if table.loc["all", list(FAULTS)].any():
        print(f"the runs are in {folder}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def _lives(kills: Mapping[str, int], options, folder: Path) -> dict[str, dict]:
    """Lets each method live in a process of its own; returns the counts by method."""
    tasks = [(method, num, options.seed, folder / method) for method, num in kills.items()]
    fork = multiprocessing.get_context("fork")
    with fork.Pool(options.jobs, end_with_parent, [signal.SIGKILL]) as pool:
        counts = pool.starmap(live, tasks, chunksize=1)
    return dict(zip(kills, counts, strict=True))


def _write(path: Path, table: pd.DataFrame, options, seconds: float):
    content = {
        "command": f"python -m tools.soak --kills={options.kills} --seed={options.seed}",
        "commit": provenance.commit(),
        "date": time.strftime("%Y-%m-%d"),
        "hardware": provenance.hardware(),
        "versions": provenance.versions(),
        "jobs": options.jobs,
        "seconds": round(seconds),
        "methods": table.to_dict("index"),
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("soak", __doc__)
    parser.add_argument("--kills", type=int, default=100, help="of all methods together")
    parser.add_argument("--seed", type=int, default=1, help="of phases, moments and damages")
    parser.add_argument(
        "--methods", nargs="+", choices=SMALL_PINS, default=[*SMALL_PINS], metavar="METHOD"
    )
    parser.add_argument("--jobs", type=int, default=2, help="methods at a time")
    parser.add_argument("--json", help="file for the table and where it comes from")
    return command.run(parser, soak, arguments)


if __name__ == "__main__":
    sys.exit(main())
