"""Rules for the observation noise: `rule(sigma, step, mse) -> sigma`, after every update.

No rule leaves sigma where the model put it (the published setting).
"""

from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core.means import moved


def scheduled(schedule: Callable) -> Callable:
    """sigma follows a schedule of the step, e.g. any of `keras.optimizers.schedules`."""
    return lambda sigma, step, mse: schedule(step)


def running_mse(momentum: float, floor: float) -> Callable:
    """sigma^2 <- momentum sigma^2 + (1 - momentum) mse, and sigma >= floor.

    The maximum-likelihood variance of a Gaussian observation is its mean squared error;
    a running average follows it as the generator sharpens.
    """

    def rule(sigma, step, mse):
        return tf.maximum(tf.sqrt(moved(sigma**2, mse, momentum)), floor)

    return rule
