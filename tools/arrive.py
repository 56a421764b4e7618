"""Evaluates what `tools.train_lowered` trained elsewhere, as if it had been trained here.

    python -m tools.arrive FOLDER/<run>.json WORKDIR [--gin_file=gin/evals/inception.gin]

WORKDIR becomes a run: numbers, pictures, curves, report, and weights for `sr.load` and the verbs.
Its scale is `paper network, n updates`, for minutes of training are no result of a paper.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import sys
from pathlib import Path

import numpy as np

from tf_shortrun.cli import config
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import parse_json
from tf_shortrun.data import card
from tf_shortrun.reporting import record, results
from tf_shortrun.reporting.report import report
from tf_shortrun.training import evaluate, rows, variables, weights
from tf_shortrun.training.history import History
from tools import command
from tools.travel import build


def load(file: Path, more: list[str]):
    """Returns the numbers in the file of a run, its experiment, and its trained learner.

    Args:
      more: gin files and bindings after those of the run, for its evaluation.

    Raises:
      InputError: if a file is missing, or its weights do not belong to the run.
    """
    try:
        came = parse_json(file.read_text(encoding="utf-8"))
        experiment, learner = build([*came["settings"], *more])
        files = [file.with_name(f"{came['name']}_{k}.npy") for k in range(came["num_files"])]
        flat = np.concatenate([np.load(path) for path in files]).astype(np.float32)
        named = variables.named(learner.state)
        learned = [named[place][1] for place in came["weights"]]
        ends = np.cumsum([np.prod(variable.shape, dtype=int) for variable in learned])
        if len(flat) != ends[-1]:
            raise ValueError(f"{len(flat):,} weights instead of {ends[-1]:,}")
        for variable, part in zip(learned, np.split(flat, ends[:-1]), strict=True):
            variable.assign(part.reshape(variable.shape))
    except (OSError, ValueError, LookupError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} and its weights cannot be read: {error}") from error
    return came, experiment, learner


def arrive(file: Path, workdir: Path, more: list[str]) -> None:
    """Writes the run.

    Raises:
      InputError: as `load` does, or if the folder exists.
    """
    if workdir.exists():
        raise InputError(f"{workdir} exists: choose a new folder, or delete it")
    came, experiment, learner = load(file, more)
    evaluate.check(experiment, learner)
    workdir.mkdir(parents=True)
    weights.write(learner, workdir)
    card.write(workdir, experiment.dataset)
    rows.write(workdir / "history.jsonl", came["rows"])
    evaluate.draw(experiment, learner, workdir)
    history = History(workdir, came["updates"])
    numbers = evaluate.evaluate(experiment, learner, history)
    asked = f"python -m tools.train_lowered FOLDER {came['name']}"
    scores = evaluate.score_percentiles(experiment, learner)
    record.write_result(experiment, workdir, history, numbers, "finished", asked, [], [], scores)
    _correct(workdir / "results.json", came)
    (workdir / "operative.gin").write_text(config.operative(), "utf-8")
    print(f"report   {report(workdir)}")


def _correct(path: Path, came: dict) -> None:
    """Writes into a result where it was trained, instead of this machine."""
    known = results.fields(path)
    known["metrics"]["peak_memory_gib"] = came["peak_bytes"] / 2**30
    known["protocol"]["peak_memory_gib"] = "Largest memory of the device or process, GiB."
    known["scale"] = f"paper network, {came['updates']:,} updates"
    known |= {"hardware": came["hardware"], "commit": came["commit"]}
    known["versions"]["jax"] = came["jax"]
    results.write(path, **known)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("arrive", __doc__)
    parser.add_argument("file", type=Path, help="<run>.json, beside its weights")
    parser.add_argument("workdir", type=Path, help="the new folder")
    parser.add_argument("--gin_file", action="append", default=[], help="for the evaluation")
    parser.add_argument("--gin_bindings", action="append", default=[], help="for the evaluation")
    return command.run(parser, _arrive, arguments)


def _arrive(options) -> None:
    arrive(options.file, options.workdir, [*options.gin_file, *options.gin_bindings])


if __name__ == "__main__":
    sys.exit(main())
