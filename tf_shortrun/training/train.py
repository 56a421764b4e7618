"""The only training loop of the package. It knows no method: the learner computes the updates."""

import functools
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf
from tqdm import tqdm

from tf_shortrun.core import files
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Learner, StartsAtMean
from tf_shortrun.core.errors import DivergenceError, InputError, Interrupted
from tf_shortrun.data import card
from tf_shortrun.training import aside, board, workers
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.configuration import Settings, agree
from tf_shortrun.training.course import Course
from tf_shortrun.training.history import History, OnLine
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
    on_line: OnLine | None = None,
) -> History:
    """Trains up to step `course.num_steps`, from the last checkpoint in `workdir` if any.

    A resumed run uses the same batches and noise as an uninterrupted run. An interrupted run
    saves a checkpoint before it ends. As soon as a run has made a step, `aside.py` moves old files.

    Args:
      settings: what is kept with the run, see `configuration.py`.
      draw: `draw(history, step)`, called at every checkpoint.
      fresh: whether to start over, although there may be checkpoints.
      on_line: `on_line(step, numbers)`, called with each new line of the history.

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
        run = _Run(course, strategy, learner, workdir, settings, draw, fresh, on_line)
        with Interruption() as interruption:
            run.make_steps(interruption)
        run.validation.restore_best()
    return run.history


class _Run:
    """A run from its last checkpoint, or its beginning, to its end; arguments as of `train`."""

    def __init__(self, course, strategy, learner, workdir, settings, draw, fresh, on_line):
        self._course, self._learner, self._workdir = course, learner, workdir
        self._settings, self._draw, self._fresh = settings, draw, fresh
        self._checkpoints = Checkpoints(learner, workdir / "checkpoints")
        self._checkpoints.check_space()
        is_resumed = self._checkpoints.exist and not fresh
        self._keep = agree(self._checkpoints.folder, is_resumed, course, settings)
        self._rollbacks = Rollbacks(course, learner, self._checkpoints)
        self._start = start = self._resume() if is_resumed else 0
        if not start and can(learner, StartsAtMean):
            learner.start_at(course.dataset.mean_colour)
        self._machines = Machines(strategy)
        plan = (start, course.num_steps, sorted(settings.configuration.items()))
        self._machines.agree(repr(plan))
        self._rollbacks.begin(start)
        self.validation = Validation(course, learner, workdir, start, workers.leads(strategy))
        self.history = History(workdir, start, on_line)
        self._make_taker = functools.partial(make_taker, course, strategy, learner, self.history)

    def make_steps(self, interruption: Interruption):
        """Makes the steps that are left, and goes back where numbers break."""
        if self._start and self._is_due(self._start):
            self.validation.measure(self._start)  # it may have ended before it did
        while not self._is_over():
            try:
                self._go_on(self._make_taker(self._rollbacks.seed), interruption)
            except DivergenceError as error:
                self._rollbacks.go_back(error, self.history)
                self.validation.go_back(self.history.step)

    def _go_on(self, take_step: Callable, interruption: Interruption):
        """Makes steps until the end, or until a look at the run says that it is over."""
        course, history, start = self._course, self.history, self.history.step
        name, end = course.dataset.name, course.num_steps
        with tqdm(total=end, initial=start, desc=name, unit="step", smoothing=0.05) as bar:
            for step in range(start + 1, end + 1):
                take_step(step)
                self._begin()
                bar.update()
                # Of any machine: all of them end after the same step.
                number = self._machines.largest(interruption.number)
                saving = self._is_due(step) or number
                if saving or step % course.log_every == 0:
                    bar.set_postfix(history.flush(step, bool(saving)))
                if saving:
                    self._checkpoints.save(step)
                if number:
                    raise Interrupted(f"interrupted, saved at step {step}", number)
                if self._is_due(step) and self._look(step):
                    return

    def _begin(self):
        """Opens the files after the first step: a run that fails to compile leaves none."""
        if self.history.has_begun:
            return
        (aside.move_all if self._fresh else aside.move_products)(self._workdir)
        self.history.begin(board.settings(self._course, self._settings.configuration))
        (self._workdir / "operative.gin").write_text(self._settings.text, "utf-8")
        card.write(self._workdir, self._course.dataset)
        self._keep(self._start)
        self._rollbacks.write()

    def _look(self, step: int) -> bool:
        """Draws and validates after a checkpoint; returns whether the run is over."""
        if self._draw is not None:
            self._draw(self.history, step)
        self.history.scalars(self.validation.measure(step), step)
        return self._is_over()

    def _is_over(self) -> bool:
        """Returns whether no steps are left. Machines are asked only if it matters."""
        if self._course.validation is None or self.history.step >= self._course.num_steps:
            return self.history.step >= self._course.num_steps
        return bool(self._machines.largest(self.validation.is_over))

    def _is_due(self, step: int) -> bool:
        """Returns whether there is a checkpoint of this step."""
        return step % self._course.checkpoint_every == 0 or step == self._course.num_steps

    def _resume(self) -> int:
        """Loads the last checkpoint and returns its step.

        Raises:
          InputError: if the run has made more steps than the course has.
        """
        self._checkpoints.sweep()
        start = self._checkpoints.restore()
        if start > self._course.num_steps:
            raise InputError(
                f"num_steps is {self._course.num_steps}, but the run in {self._workdir} has made "
                f"{start} updates: ask for as many, use another --workdir, or --fresh to start over"
            )
        return start
