"""The only training loop of the package. It knows no method: the learner computes the updates."""

import functools
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import cast

import tensorflow as tf
from tqdm import tqdm

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Adapts, Learner, Staged, StartsAtMean, Watches
from tf_shortrun.core.errors import DivergenceError, InputError, Interrupted
from tf_shortrun.core.shapes import Seed
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.configuration import Settings, agree
from tf_shortrun.training.course import Course
from tf_shortrun.training.history import History

_UNKNOWN = Settings()


def compile_step(
    strategy: tf.distribute.Strategy, update: Callable, seed: Seed, jit_compile: bool = False
):
    """Returns `step_fn(distributed batch, step) -> metrics`, averaged over replicas.

    `step_fn` is compiled and runs `update(batch, seed)` on every replica.

    Args:
      jit_compile: whether XLA compiles all of `update` into one program instead of a graph.
    """
    if jit_compile:
        update = tf.function(update, autograph=False, jit_compile=True)

    @tf.function(autograph=False)  # AutoGraph would wrap the learner's errors
    def step_fn(batch, step):
        metrics = strategy.run(update, (batch, noise.fold(seed, step)))
        return {name: strategy.reduce("MEAN", value, axis=None) for name, value in metrics.items()}

    return step_fn


def make_steps(
    strategy: tf.distribute.Strategy, learner: Learner, seed: Seed, jit_compile: bool = False
) -> Callable:
    """Returns `step_at(step)`, which returns the compiled update of that step.

    Each stage of a staged learner is compiled when it begins.
    """
    compiled = functools.cache(lambda update: compile_step(strategy, update, seed, jit_compile))
    update_at = learner.update_at if can(learner, Staged) else lambda _: learner.train_step
    return lambda step: compiled(update_at(step))


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
    saves a checkpoint before it ends.

    Args:
      settings: what is kept with the run, see `configuration.py`.
      draw: `draw(history, step)`, called at every checkpoint.
      fresh: whether to delete the checkpoints and curves in `workdir` first.

    Raises:
      InputError: if the checkpoints belong to another configuration, or to more steps.
      DivergenceError: if a metric or a weight is not finite. The last checkpoint is valid then.
      Interrupted: after Ctrl-C or SIGTERM, when the checkpoint is written.
    """
    if fresh:
        for kept in ("checkpoints", "tensorboard"):
            shutil.rmtree(workdir / kept, ignore_errors=True)
    checkpoints = Checkpoints(learner, workdir / "checkpoints")
    keep = agree(checkpoints.folder, checkpoints.exist, course, settings)
    start = checkpoints.restore()
    if start > course.num_steps:
        raise InputError(
            f"num_steps is {course.num_steps}, but the run in {workdir} has made {start} updates: "
            "ask for as many or more, use another --workdir, or --fresh to start over"
        )
    if not start and can(learner, StartsAtMean):
        learner.start_at(course.dataset.mean_colour)
    history = History(workdir, start)
    take_step = _make_taker(course, strategy, learner, history)
    bar = tqdm(
        total=course.num_steps,
        initial=start,
        desc=course.dataset.name,
        unit="step",
        smoothing=0.05,
    )
    with bar, _Interruption() as interruption:
        for step in range(start + 1, course.num_steps + 1):
            take_step(step)
            if step == start + 1:  # a run that fails to compile must not leave files
                history.begin()
                (workdir / "operative.gin").write_text(settings.text, "utf-8")
                keep(start)
            bar.update()
            due = step % course.checkpoint_every == 0 or step == course.num_steps
            saving = due or interruption.requested
            if saving or step % course.log_every == 0:
                bar.set_postfix(history.flush(step))
            if saving:
                _save(checkpoints, step, history)
            if interruption.requested:
                raise Interrupted(f"interrupted, saved at step {step}", interruption.number)
            if due and draw is not None:
                draw(history, step)
    return history


def _make_taker(course: Course, strategy, learner: Learner, history: History) -> Callable:
    """Returns `take_step(step)`: it fetches a batch, calls `adapt` if due, and updates."""
    root = noise.make_seed(course.seed)
    step_at = make_steps(strategy, learner, noise.stream(root, "train"), course.jit_compile)
    if course.adapt_every:
        adapt_fn = compile_step(strategy, cast(Adapts, learner).adapt, noise.stream(root, "adapt"))
    if course.watch_every:
        watch_fn = compile_step(strategy, cast(Watches, learner).watch, noise.stream(root, "watch"))
    batches = iter(_distribute(course, strategy, history.step))

    def take_step(step: int):
        with history.fetching():
            batch = next(batches)
        now = tf.constant(step)
        if _is_due(course.adapt_every, step):
            history.record_choice(adapt_fn(batch, now), step)
        seen = watch_fn(batch, now) if _is_due(course.watch_every, step) else {}
        history.record({**step_at(step)(batch, now), **seen})

    return take_step


def _is_due(every: int | None, step: int) -> bool:
    return every is not None and (step - 1) % every == 0


def _save(checkpoints: Checkpoints, step: int, history: History):
    try:
        checkpoints.save(step)
    except DivergenceError as error:
        error.seconds = history.seconds
        raise


class _Interruption:
    """Handlers of Ctrl-C and SIGTERM: a run ends after its step, or at once at a second signal."""

    def __enter__(self):
        self.number = 0
        self._before = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def requested(self) -> bool:
        return bool(self.number)

    def _note(self, number, _):
        if self.requested:
            raise Interrupted("interrupted twice, not saved", number)
        self.number = number


def _distribute(course: Course, strategy, start: int):
    def batches(context):
        slices = course.dataset.train_batches(
            course.batch_size, course.seed, start, strategy.num_replicas_in_sync
        )
        # Each machine has its own input pipeline.
        return slices.shard(context.num_input_pipelines, context.input_pipeline_id)

    return strategy.distribute_datasets_from_function(batches)
