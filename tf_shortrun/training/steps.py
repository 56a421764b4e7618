"""One step of training: a batch, what is due before the update, and the update, compiled."""

import functools
from collections.abc import Callable
from typing import cast

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Adapts, Learner, Staged, Watches
from tf_shortrun.core.shapes import Seed
from tf_shortrun.training.course import Course
from tf_shortrun.training.history import History


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


def make_taker(
    course: Course, strategy, learner: Learner, history: History, root: Seed
) -> Callable[[int], None]:
    """Returns `take_step(step)`: it fetches a batch, calls what is due, updates, and records.

    Args:
      root: the seed of all noise.
    """
    step_at = make_steps(strategy, learner, noise.stream(root, "train"), course.jit_compile)
    if course.adapt_every:
        adapt_fn = compile_step(strategy, cast(Adapts, learner).adapt, noise.stream(root, "adapt"))
    if course.watch_every:
        watch_fn = compile_step(strategy, cast(Watches, learner).watch, noise.stream(root, "watch"))
    batches = iter(distribute(course, strategy, history.step))

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


def distribute(course: Course, strategy: tf.distribute.Strategy, start: int = 0):
    """Returns the batches of the course after step `start`, shared by the replicas."""

    def batches(context):
        slices = course.trained_on.train_batches(
            course.examples_per_update, course.seed, start, strategy.num_replicas_in_sync
        )
        # Each machine has its own input pipeline.
        return slices.shard(context.num_input_pipelines, context.input_pipeline_id)

    return strategy.distribute_datasets_from_function(batches)
