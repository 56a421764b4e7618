"""The only training loop of the package. It knows no method: the learner computes the updates."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import cast

import tensorflow as tf
from tqdm import tqdm

from tf_shortrun.core import files, noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Adapts, Learner, Staged, StartsAtMean, Watches
from tf_shortrun.core.errors import DivergenceError, InputError, Interrupted
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data import card
from tf_shortrun.training import aside
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.configuration import Settings, agree
from tf_shortrun.training.course import Course
from tf_shortrun.training.history import History
from tf_shortrun.training.interruption import Interruption
from tf_shortrun.training.lock import locked

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
    saves a checkpoint before it ends. What an earlier run has written is moved aside, see
    `aside.py`, as soon as this one has made a step.

    Args:
      settings: what is kept with the run, see `configuration.py`.
      draw: `draw(history, step)`, called at every checkpoint.
      fresh: whether to start over, although there may be checkpoints.

    Raises:
      InputError: if the checkpoints belong to another configuration or to more steps, or another
        process trains in `workdir`.
      DivergenceError: if a metric or a weight is not finite. The last checkpoint is valid then.
      OSError: if a file cannot be written, e.g. on a full disk. The last checkpoint is valid then.
      Interrupted: after Ctrl-C, SIGTERM or SIGHUP, when the checkpoint is written.
    """
    with locked(workdir):
        files.sweep(workdir)
        checkpoints = Checkpoints(learner, workdir / "checkpoints")
        checkpoints.check_space()
        is_resumed = checkpoints.exist and not fresh
        keep = agree(checkpoints.folder, is_resumed, course, settings)
        start = _resume(course, learner, checkpoints) if is_resumed else 0
        if not start and can(learner, StartsAtMean):
            learner.start_at(course.dataset.mean_colour)
        history = History(workdir, start)

        def begin():  # after the first step: a run that fails to compile must not leave files
            (aside.move_all if fresh else aside.move_products)(workdir)
            history.begin()
            (workdir / "operative.gin").write_text(settings.text, "utf-8")
            card.write(workdir, course.dataset)
            keep(start)

        take_step = _make_taker(course, strategy, learner, history)
        _run(course, take_step, history, checkpoints, begin, draw)
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


def _run(course: Course, take_step: Callable, history: History, checkpoints, begin, draw):
    """Makes the steps that are left; calls `begin` after the first of them."""
    start, end = history.step, course.num_steps
    bar = tqdm(total=end, initial=start, desc=course.dataset.name, unit="step", smoothing=0.05)
    with bar, Interruption() as interruption:
        for step in range(start + 1, end + 1):
            take_step(step)
            if step == start + 1:
                begin()
            bar.update()
            due = step % course.checkpoint_every == 0 or step == end
            saving = due or interruption.requested
            if saving or step % course.log_every == 0:
                bar.set_postfix(history.flush(step))
            if saving:
                _save(checkpoints, step, history)
            if interruption.requested:
                raise Interrupted(f"interrupted, saved at step {step}", interruption.number)
            if due and draw is not None:
                draw(history, step)


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


def _distribute(course: Course, strategy, start: int):
    def batches(context):
        slices = course.dataset.train_batches(
            course.examples_per_update, course.seed, start, strategy.num_replicas_in_sync
        )
        # Each machine has its own input pipeline.
        return slices.shard(context.num_input_pipelines, context.input_pipeline_id)

    return strategy.distribute_datasets_from_function(batches)
