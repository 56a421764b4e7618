"""One command for an experiment: tf-shortrun [verb] --gin_file=FILE [flags]

train     trains, or goes on from the last checkpoint, then evaluates, reports and exports
              tf-shortrun --gin_file=reproduce/demo.gin
              (no verb is needed: tf-shortrun train ... is the same)
evaluate  numbers, pictures and report of the last checkpoint
              tf-shortrun evaluate --gin_file=reproduce/demo.gin
export    the SavedModel of the last checkpoint
              tf-shortrun export --gin_file=reproduce/demo.gin
report    report.html from what lies in the working directory
              tf-shortrun report --gin_file=reproduce/demo.gin
doctor    what is installed here, and which data can be read
              tf-shortrun doctor
sample reconstruct encode decode interpolate traverse inpaint score
          what a trained run can do, each with its own --help
              tf-shortrun sample runs/demo --num=64
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import os
import shlex
import sys
from pathlib import Path

from absl import app, flags

from tf_shortrun import api
from tf_shortrun.cli import config, doctor, process, streams
from tf_shortrun.cli import workdir as names
from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import DivergenceError, InputError
from tf_shortrun.export.saved_model import Origin, export
from tf_shortrun.reporting import record, results
from tf_shortrun.reporting.report import report
from tf_shortrun.training import evaluate, workers
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.configuration import Kept, Settings, refuse
from tf_shortrun.training.experiment import Experiment
from tf_shortrun.training.history import History
from tf_shortrun.training.train import train
from tf_shortrun.use import verbs

_GIN_FILES = flags.DEFINE_multi_string(
    "gin_file", [], "a gin file, your own or from the package; later files override earlier ones"
)
_BINDINGS = flags.DEFINE_multi_string("gin_bindings", [], "a gin binding, overrides the files")
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "folder for all output (default runs/<gin files and bindings>)"
)
_FRESH = flags.DEFINE_bool("fresh", False, "start over instead of resuming from a checkpoint")
_ACCEPT = flags.DEFINE_bool(
    "accept_changes", False, "go on although settings changed, and record what changed"
)


def main(argv: list[str]):
    if argv[1:2] and argv[1] in verbs.VERBS:
        return verbs.work(argv[1:], api.load)
    streams.check_encoding([*sys.argv, os.getcwd()])
    verb = argv[1] if len(argv) > 1 else "train"
    works = {"train": _train, "evaluate": _evaluate, "export": _export}
    if len(argv) > 2 or verb not in (*works, "report", "doctor"):
        known = ", ".join([*works, "report", "doctor", *verbs.VERBS])
        raise InputError(f"{' '.join(argv[1:])!r} is not a verb: use one of {known}")
    if verb == "doctor":
        return doctor.doctor()
    if not _GIN_FILES.value:
        raise InputError("no gin file: give one, e.g. --gin_file=reproduce/demo.gin")
    if verb == "report":
        return print(report(_workdir()))
    if verb != "train" and workers.are_several():
        raise InputError(f"{verb} runs only on one machine: unset TF_CONFIG")
    strategy = workers.strategy()
    experiment = config.load(_GIN_FILES.value, _BINDINGS.value)
    with config.explained():
        learner = experiment.build(strategy)
    config.check_used()
    work = works[verb] if workers.leads(strategy) else _follow
    return work(experiment, strategy, learner, _workdir())


def _train(experiment: Experiment, strategy, learner: Learner, workdir: Path):
    def draw(history: History, step: int):
        history.images(evaluate.draw(experiment, learner, workdir), step)

    settings = _settings(experiment)
    try:
        history = train(experiment, strategy, learner, workdir, settings, draw, _FRESH.value)
    except DivergenceError as error:
        kept = _kept(workdir).changes
        record.write_result(experiment, workdir, error, {}, "diverged", _command(), kept)
        raise
    _judge(experiment, learner, workdir, history, _kept(workdir).changes)
    _publish(experiment, learner, workdir)
    workers.wait(strategy)


def _follow(experiment: Experiment, strategy, learner: Learner, workdir: Path):
    with workers.following(workdir, _FRESH.value) as folder:
        train(experiment, strategy, learner, folder, _settings(experiment))
    workers.wait(strategy)


def _evaluate(experiment: Experiment, strategy, learner: Learner, workdir: Path):
    del strategy
    history = History(workdir, _restore(learner, workdir))
    kept = _kept(workdir)
    changes = kept.compare(config.configuration(experiment), history.step)
    place = names.of_evaluation(workdir, changes)
    evaluate.draw(experiment, learner, place)
    _judge(experiment, learner, place, history, [*kept.changes, *changes])


def _export(experiment: Experiment, strategy, learner: Learner, workdir: Path):
    del strategy
    refuse(_kept(workdir).compare(config.configuration(experiment), 0), workdir, _ACCEPT.value)
    _restore(learner, workdir)
    _publish(experiment, learner, workdir)


def _judge(experiment: Experiment, learner: Learner, workdir: Path, history: History, changes):
    numbers = evaluate.evaluate(experiment, learner, history)
    scores = evaluate.score_percentiles(experiment, learner)
    end = (history, numbers, "finished", _command(), changes, scores)
    record.write_result(experiment, workdir, *end)
    # Written once more, since evals have parameters too.
    (workdir / "operative.gin").write_text(config.operative(), "utf-8")
    for name, number in numbers.items():
        print(f"{name:40s} {number.value:.6g}")
    print(f"results  {workdir / 'results.json'}\nreport   {report(workdir)}")


def _publish(experiment: Experiment, learner: Learner, workdir: Path):
    dataset, result = experiment.dataset, results.fields(workdir / "results.json")
    origin = Origin(dataset.name, dataset.preparation, result)
    print(f"model    {export(learner, workdir, experiment.method, origin)}")


def _settings(experiment: Experiment) -> Settings:
    return Settings(config.operative(), config.configuration(experiment), _ACCEPT.value)


def _kept(workdir: Path) -> Kept:
    return Kept(workdir / "checkpoints")


def _restore(learner: Learner, workdir: Path) -> int:
    step = Checkpoints(learner, workdir / "checkpoints").restore()
    if not step:
        raise InputError(f"there is no checkpoint in {workdir}: train first")
    return step


def _workdir() -> Path:
    return Path(_WORKDIR.value or names.of_run(_GIN_FILES.value, _BINDINGS.value))


def _command() -> str:
    return shlex.join(["python", "-m", "tf_shortrun.main", *sys.argv[1:]])


def _one_line(argv: list[str]):
    command = "the same command without --fresh" if _FRESH.value else "the same command"
    with process.ended_in_one_line(f"{command} goes on from the last checkpoint"):
        main(argv)


def _parse(argv: list[str]) -> list[str]:
    """Parses the flags and returns the other arguments.

    Prints the help itself, because absl's help has no verbs and exits with code 1.
    """
    if argv[1:2] and argv[1] in verbs.VERBS:
        flags.FLAGS(argv[:1])
        return argv  # the verb has options of its own
    if {"-h", "-help", "--help"} & set(argv):
        print(_help())
        sys.exit()
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        return process.end(f"{str(error).splitlines()[0]} (--help lists the flags)", 2)


def _help() -> str:
    """Returns the text of --help: the docstring of this module and the flags."""
    names = [holder.name for holder in (_GIN_FILES, _BINDINGS, _WORKDIR, _FRESH, _ACCEPT)]
    return "\n".join([__doc__, *(f"--{n:16s}{flags.FLAGS[n].help}" for n in names)])


def cli():
    """Runs the console script `tf-shortrun`."""
    streams.outlive_readers()
    process.set_up_logs()
    app.run(_one_line, flags_parser=_parse)


if __name__ == "__main__":
    cli()
