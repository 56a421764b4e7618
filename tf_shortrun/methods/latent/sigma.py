"""Rules for the observation noise: `rule(sigma, step, mse) -> sigma`, called after each update.

Without a rule sigma keeps its initial value (the published setting).
"""

from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core.means import moved
from tf_shortrun.core.optimizer_numbers import check_schedule


def scheduled(schedule: Callable) -> Callable:
    """Returns the rule sigma = schedule(step), e.g. with one of `keras.optimizers.schedules`."""
    check_schedule("sigma.scheduled.schedule", schedule)
    return lambda sigma, step, mse: schedule(step)


def running_mse(momentum: float, floor: float) -> Callable:
    """Returns the rule sigma^2 <- momentum sigma^2 + (1 - momentum) mse, with sigma >= floor.

    The maximum-likelihood variance of a Gaussian observation is its mean squared error. The
    running average follows this error as the generator improves.
    """

    def rule(sigma, step, mse):
        return tf.maximum(tf.sqrt(moved(sigma**2, mse, momentum)), floor)

    return rule
