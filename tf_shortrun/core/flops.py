"""Counts of arithmetic: a multiplication and an addition are two operations."""

from collections.abc import Callable, Iterable

import tensorflow as tf

from tf_shortrun.core.passes import Passes


def flops(passes: Iterable[Passes]) -> int:
    """Returns the number of operations of all passes."""
    return sum(p.number * count_flops(p.work, *p.arguments) for p in passes)


def count_flops(work: Callable, *arguments: tf.Tensor) -> int:
    """Returns the number of operations in the graph of `work`; a loop body counts once."""
    log, level = tf.get_logger(), tf.get_logger().level
    log.setLevel("ERROR")  # the profiler warns of itself
    try:
        return _profiled(work, *arguments)
    finally:
        log.setLevel(level)


def _profiled(work: Callable, *arguments: tf.Tensor) -> int:
    graph = tf.function(work, autograph=False).get_concrete_function(*arguments).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
