"""Measures the time of functions in turn, and fits the time of a step. It needs NumPy only."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tf_shortrun.core.errors import InputError


class Times(NamedTuple):
    """The median and the quartiles of measured times, in seconds."""

    median: float
    low: float
    high: float


def measure(works: Sequence[Callable], repeats: int) -> list[Times]:
    """Returns the times of each function, after one untimed call of each.

    The functions are timed in turn (A B A B), so that a busy moment affects all of them.
    """
    for work in works:
        work()
    seconds = np.empty((repeats, len(works)))
    for r in range(repeats):
        for i, work in enumerate(works):
            start = time.perf_counter()
            work()
            seconds[r, i] = time.perf_counter() - start
    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75], axis=0)
    return [Times(*map(float, times)) for times in zip(median, low, high, strict=True)]


def fit(num_steps: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Returns (a, b) of t = a + b K, fitted by least squares.

    Raises:
      InputError: if time does not grow with K: the machine was too busy to measure b.
    """
    b, a = np.polyfit(num_steps, seconds, 1)
    if b <= 0:
        took = ", ".join(f"{1000 * t:.3g}" for t in seconds)
        chains = ", ".join(map(str, num_steps))
        raise InputError(
            f"chains of {chains} steps took {took} ms, which does not grow: other work disturbed "
            "the measurement, raise --repeats or ShortRun.num_steps"
        )
    return float(a), float(b)
