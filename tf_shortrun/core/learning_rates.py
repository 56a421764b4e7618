"""The learning rates of optimizers, as they are configured or multiplied by a factor."""

from collections.abc import Iterable

import keras
from keras.optimizers.schedules import LearningRateSchedule


class LearningRates:
    """The learning rates that optimizers have now: numbers, schedules or functions."""

    def __init__(self, optimizers: Iterable[keras.optimizers.Optimizer]):
        self._rates = [(optimizer, _rate(optimizer)) for optimizer in optimizers]

    def set(self, factor: float = 1.0):
        """Sets every rate to `factor` times what it was when this object was made.

        What was compiled before keeps its schedule: compile it anew.
        """
        for optimizer, rate in self._rates:
            optimizer.learning_rate = _times(factor, rate)


class _Multiplied(LearningRateSchedule):
    """A schedule of `factor` times another schedule, or times a function without arguments."""

    def __init__(self, factor: float, rate):
        self._factor, self._rate = factor, rate

    def __call__(self, step):
        is_schedule = isinstance(self._rate, LearningRateSchedule)
        return self._factor * (self._rate(step) if is_schedule else self._rate())


def _rate(optimizer: keras.optimizers.Optimizer):
    rate = optimizer._learning_rate  # the property of Keras evaluates a schedule
    return float(rate.numpy()) if isinstance(rate, keras.Variable) else rate


def _times(factor: float, rate):
    if isinstance(rate, float):
        return factor * rate
    return rate if factor == 1.0 else _Multiplied(factor, rate)
