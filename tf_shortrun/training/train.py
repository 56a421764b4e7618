"""The only training loop of the package. It knows no method: the learner computes the updates."""

import functools
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from tf_shortrun.core import files
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Learner, StartsAtMean
from tf_shortrun.core.errors import DivergenceError, InputError, Interrupted
from tf_shortrun.data import card
from tf_shortrun.training import aside, workers
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.configuration import Settings, agree
from tf_shortrun.training.course import Course
from tf_shortrun.training.history import History
from tf_shortrun.training.interruption import Interruption
from tf_shortrun.training.lock import locked
from tf_shortrun.training.rollback import Rollbacks
from tf_shortrun.training.steps import make_taker
from tf_shortrun.training.together import Machines
from tf_shortrun.training.validation import Validation

_UNKNOWN = Settings()


def train(
    course: Course,
    strategy: tf.distribute.Strategy,
    learner: Learner,
    workdir: Path,
    settings: Settings = _UNKNOWN,
    draw=None,
    fresh: bool = False,
) -> History:
    """Trains up to step `course.num_steps`, from the last checkpoint in `workdir` if any.

    A resumed run uses the same batches and noise as an uninterrupted run. An interrupted run
    saves a checkpoint before it ends. As soon as a run has made a step, `aside.py` moves old files.

    Args:
      settings: what is kept with the run, see `configuration.py`.
      draw: `draw(history, step)`, called at every checkpoint.
      fresh: whether to start over, although there may be checkpoints.

    Raises:
      InputError: if the checkpoints belong to another configuration or to more steps, or another
        process trains in `workdir`, or machines do not have the same plan.
      DivergenceError: if a metric or a weight is not finite, and there were as many rollbacks as
        there may be. The last checkpoint is valid then.
      OSError: if a file cannot be written, e.g. on a full disk. The last checkpoint is valid then.
      Interrupted: after Ctrl-C, SIGTERM or SIGHUP, when the checkpoint is written.
    """
    with locked(workdir):
        files.sweep(workdir)
        checkpoints = Checkpoints(learner, workdir / "checkpoints")
        checkpoints.check_space()
        is_resumed = checkpoints.exist and not fresh
        keep = agree(checkpoints.folder, is_resumed, course, settings)
        rollbacks = Rollbacks(course, learner, checkpoints)
        start = _resume(course, learner, checkpoints) if is_resumed else 0
        if not start and can(learner, StartsAtMean):
            learner.start_at(course.dataset.mean_colour)
        machines = Machines(strategy)
        validation = Validation(course, learner, workdir, start, workers.leads(strategy))
        machines.agree(repr((start, course.num_steps, sorted(settings.configuration.items()))))
        rollbacks.begin(start)
        history = History(workdir, start)

        @functools.cache  # once, however often the run goes back
        def begin():  # after the first step: a run that fails to compile must not leave files
            (aside.move_all if fresh else aside.move_products)(workdir)
            history.begin()
            (workdir / "operative.gin").write_text(settings.text, "utf-8")
            card.write(workdir, course.dataset)
            keep(start)
            rollbacks.write()

        def look(step: int) -> bool:  # returns whether the run is over
            if draw is not None:
                draw(history, step)
            history.scalars(validation.measure(step), step)
            return bool(machines.largest(validation.is_over))

        with Interruption() as interruption:
            signal = lambda: machines.largest(interruption.number)  # noqa: E731
            if start and _is_due(course, start):
                validation.measure(start)  # it may have ended before it did
            is_over = bool(machines.largest(validation.is_over))
            while history.step < course.num_steps and not is_over:
                take_step = make_taker(course, strategy, learner, history, rollbacks.seed)
                try:
                    is_over = _run(course, take_step, history, checkpoints, begin, look, signal)
                except DivergenceError as error:
                    rollbacks.go_back(error, history)
                    validation.go_back(history.step)
        validation.restore_best()
    return history


def _resume(course: Course, learner: Learner, checkpoints: Checkpoints) -> int:
    """Loads the last checkpoint and returns its step.

    Raises:
      InputError: if the run has made more steps than the course has.
    """
    checkpoints.sweep()
    start = checkpoints.restore()
    if start > course.num_steps:
        raise InputError(
            f"num_steps is {course.num_steps}, but the run in {checkpoints.folder.parent} has made "
            f"{start} updates: ask for as many, use another --workdir, or --fresh to start over"
        )
    return start


def _run(course: Course, take_step, history, checkpoints, begin, look, signal) -> bool:
    """Makes the steps that are left; calls `begin` after the first of them.

    Args:
      look: `look(step)`, called at every checkpoint, returns whether the run is over; so does this.
      signal: `signal()` returns the number of a signal that any machine got, or 0; all of them end
        after the same step.
    """
    start, end = history.step, course.num_steps
    bar = tqdm(total=end, initial=start, desc=course.dataset.name, unit="step", smoothing=0.05)
    with bar:
        for step in range(start + 1, end + 1):
            take_step(step)
            if step == start + 1:
                begin()
            bar.update()
            number = signal()
            due = _is_due(course, step)
            saving = due or number
            if saving or step % course.log_every == 0:
                bar.set_postfix(history.flush(step))
            if saving:
                checkpoints.save(step)
            if number:
                raise Interrupted(f"interrupted, saved at step {step}", number)
            if due and look(step):
                return True
    return False


def _is_due(course: Course, step: int) -> bool:
    """Returns whether there is a checkpoint of this step."""
    return step % course.checkpoint_every == 0 or step == course.num_steps
