"""One command for an experiment: `python -m tf_shortrun.main --gin_file=reproduce/digits.gin`.

train     (default) trains or goes on, then everything below
evaluate  numbers, pictures and report of the last checkpoint
export    the SavedModel of the last checkpoint
report    report.html from what lies in the working directory
doctor    what is installed here, and which data can be read
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import shlex
import sys
from pathlib import Path

import tensorflow as tf
from absl import app, flags, logging

from tf_shortrun import config, doctor, judge
from tf_shortrun.checkpoint import Checkpoints
from tf_shortrun.errors import InputError
from tf_shortrun.experiment import Experiment
from tf_shortrun.export import export
from tf_shortrun.learners.base import Learner
from tf_shortrun.report import report
from tf_shortrun.train import History, train

_GIN_FILES = flags.DEFINE_multi_string(
    "gin_file", [], "Gin file; later ones override earlier ones."
)
_BINDINGS = flags.DEFINE_multi_string("gin_bindings", [], "Gin binding that overrides the files.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where everything goes (default runs/<gin files>).")
_FRESH = flags.DEFINE_bool("fresh", False, "Start over instead of going on from a checkpoint.")


def main(argv: list[str]):
    verb = argv[1] if len(argv) > 1 else "train"
    verbs = {"train": _train, "evaluate": _evaluate, "export": _export}
    if len(argv) > 2 or verb not in (*verbs, "report", "doctor"):
        raise InputError(
            f"{' '.join(argv[1:])!r} is no verb: train, evaluate, export, report, doctor"
        )
    if verb == "doctor":
        return doctor.doctor()
    if not _GIN_FILES.value:
        raise InputError("nothing to do: give a gin file, e.g. --gin_file=reproduce/digits.gin")
    workdir = _workdir()
    if verb == "report":
        return print(report(workdir))
    experiment = config.load(_GIN_FILES.value, _BINDINGS.value)
    strategy = tf.distribute.MirroredStrategy()
    learner = experiment.build(strategy)
    config.check_used()
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "operative.gin").write_text(config.operative())
    return verbs[verb](experiment, learner, workdir, strategy)


def _train(experiment: Experiment, learner: Learner, workdir: Path, strategy):
    def draw(history, step):
        history.images(judge.draw(experiment, learner, workdir), step)

    history = train(experiment, strategy, learner, workdir, draw, _FRESH.value)
    _finish(experiment, learner, workdir, history)
    _export(experiment, learner, workdir)


def _evaluate(experiment: Experiment, learner: Learner, workdir: Path, strategy):
    history = History(workdir, _restore(learner, workdir))
    judge.draw(experiment, learner, workdir)
    _finish(experiment, learner, workdir, history)


def _export(experiment: Experiment, learner: Learner, workdir: Path, strategy=None):
    if strategy is not None:
        _restore(learner, workdir)
    print(f"model    {export(learner, workdir, experiment.method)}")


def _finish(experiment, learner, workdir, history):
    metrics = judge.judge(experiment, learner, workdir, history, _command())
    for name, value in metrics.items():
        print(f"{name:40s} {value:.6g}")
    print(f"results  {workdir / 'results.json'}\nreport   {report(workdir)}")


def _restore(learner: Learner, workdir: Path) -> int:
    step = Checkpoints(learner, workdir / "checkpoints").restore()
    if not step:
        raise InputError(f"no checkpoint in {workdir}: train first")
    return step


def _workdir() -> Path:
    name = "-".join(Path(file).stem for file in _GIN_FILES.value)
    return Path(_WORKDIR.value or Path("runs") / name)


def _command() -> str:
    return shlex.join(["python", "-m", "tf_shortrun.main", *sys.argv[1:]])


def _one_line(argv: list[str]):
    try:
        main(argv)
    except InputError as error:
        print(f"tf_shortrun: {str(error).splitlines()[0]}", file=sys.stderr)
        sys.exit(2)


def cli():
    """Entry point of the console script."""
    logging.set_verbosity(logging.WARNING)
    app.run(_one_line)


if __name__ == "__main__":
    cli()
