"""What the verbs train, evaluate and export do with an experiment and its learner."""

import contextlib
from pathlib import Path
from typing import NamedTuple

from tf_shortrun.cli import config
from tf_shortrun.cli import workdir as names
from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import DivergenceError, InputError, LostMachineError
from tf_shortrun.export.model_card import Origin
from tf_shortrun.export.saved_model import export
from tf_shortrun.reporting import record, results
from tf_shortrun.reporting.report import report
from tf_shortrun.training import board, evaluate, rollback, together, workers
from tf_shortrun.training.configuration import Change, Kept, Settings, refuse
from tf_shortrun.training.experiment import Experiment
from tf_shortrun.training.history import History
from tf_shortrun.training.rollback import Rollback
from tf_shortrun.training.train import train
from tf_shortrun.training.validation import Validation, restore


class Asked(NamedTuple):
    """What a user asks for besides the experiment.

    fresh: whether to start over.   accept_changes: whether to go on with other settings.
    export: whether to write a SavedModel after training.   command: kept in the results.
    """

    workdir: Path
    fresh: bool
    accept_changes: bool
    export: bool
    command: str

    @property
    def checkpoints(self) -> Path:
        return self.workdir / "checkpoints"

    def settings(self, experiment: Experiment) -> Settings:
        text, configuration = config.operative(), config.configuration(experiment)
        return Settings(text, configuration, self.accept_changes)

    def past(self, step: int) -> tuple[list[Change], list[Rollback]]:
        """Returns what changed, and the ways back, on the way to this step."""
        return Kept(self.checkpoints).changes, rollback.read(self.checkpoints, step)

    def restore(self, experiment: Experiment, learner: Learner) -> int:
        """Loads the best state, or without a validation the last; returns the last step."""
        step = restore(experiment, learner, self.workdir)
        if not step:
            raise InputError(f"there is no checkpoint in {self.workdir}: train first")
        return step


def _train(experiment: Experiment, strategy, learner: Learner, asked: Asked):
    workdir = asked.workdir

    def draw(history: History, step: int):
        history.images(evaluate.draw(experiment, learner, workdir), step)

    evaluate.check(experiment, learner)
    settings = asked.settings(experiment)
    try:
        history = train(experiment, strategy, learner, workdir, settings, draw, asked.fresh)
    except DivergenceError as error:
        past = asked.past(error.step)
        record.write_result(experiment, workdir, error, {}, "diverged", asked.command, *past)
        raise
    # The best state is not the last one, or a run ended before it drew.
    if experiment.validation is not None or not history.has_begun:
        evaluate.draw(experiment, learner, workdir)
    _judge(experiment, learner, asked, workdir, history, *asked.past(history.step))
    if asked.export:
        publish(experiment, learner, workdir)
    with contextlib.suppress(LostMachineError), together.noticing(workers.are_several()):
        together.Machines(strategy).wait()  # all is done: a lost machine does not matter


def follow(experiment: Experiment, strategy, learner: Learner, asked: Asked):
    """Trains on a machine that does not lead, and writes nothing that stays."""
    with workers.following(asked.workdir, asked.fresh) as folder:
        train(experiment, strategy, learner, folder, asked.settings(experiment))
    together.Machines(strategy).wait()


def _evaluate(experiment: Experiment, strategy, learner: Learner, asked: Asked):
    del strategy
    evaluate.check(experiment, learner)
    history = History(asked.workdir, asked.restore(experiment, learner))
    now = config.configuration(experiment)
    changes = Kept(asked.checkpoints).compare(now, history.step)
    place = names.of_evaluation(asked.workdir, changes)
    evaluate.draw(experiment, learner, place)
    before, rollbacks = asked.past(history.step)
    _judge(experiment, learner, asked, place, history, [*before, *changes], rollbacks)


def _export(experiment: Experiment, strategy, learner: Learner, asked: Asked):
    del strategy
    changes = Kept(asked.checkpoints).compare(config.configuration(experiment), 0)
    refuse(changes, asked.workdir, asked.accept_changes)
    asked.restore(experiment, learner)
    publish(experiment, learner, asked.workdir)


def _judge(experiment, learner: Learner, asked: Asked, place: Path, history: History, *past):
    numbers = evaluate.evaluate(experiment, learner, history)
    best = Validation(experiment, learner, asked.workdir, history.step).best
    past = (*past, evaluate.score_percentiles(experiment, learner), best)
    record.write_result(experiment, place, history, numbers, "finished", asked.command, *past)
    values = {name: number.value for name, number in numbers.items()}
    board.write_results(place, values, history.step)
    # Written once more, since evals have parameters too.
    (place / "operative.gin").write_text(config.operative(), "utf-8")
    for name, number in numbers.items():
        print(f"{name:40s} {number.value:.6g}")
    print(f"results  {place / 'results.json'}\nreport   {report(place)}")


def publish(experiment: Experiment, learner: Learner, workdir: Path):
    """Exports the learner."""
    dataset, result = experiment.dataset, results.fields(workdir / "results.json")
    origin = Origin(dataset.name, dataset.preparation, result, dataset.classes)
    print(f"model    {export(learner, workdir, experiment.method, origin)}")


VERBS = {"train": _train, "evaluate": _evaluate, "export": _export}
