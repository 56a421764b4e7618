"""Walks: one transition operator, applied repeatedly with a schedule of temperatures.

    s_t ~ p_{T_t}(. | s_{t-1}),   t = 1 .. K

Heating, from data:  T = 1 for the first n steps, then 1, f, f^2, ..., f^(H - 1)
Cooling, to samples: f^(H - 1), ..., f, 1
with f = 2 as published, and H = ceil(log_f T_max). For Gaussian steps of standard deviation
sigma at T = 1, T_max = sigma_max^2 / sigma^2 makes the hottest steps as wide as the data.

References: A. Goyal, N. R. Ke, S. Ganguli, Y. Bengio, Variational walkback, NIPS 2017.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed


class WalkState(NamedTuple):
    position: tf.Tensor


class WalkInfo(NamedTuple):
    """A record of one step.

    Attributes:
      position: [B, ...], after the move; () if walks are not recorded.
    """

    position: tf.Tensor | tuple


@dataclasses.dataclass(frozen=True)
class Heating:
    """Temperature schedules of walks.

    Attributes:
      max_temperature: T_max.
      max_still: N, the largest number of steps at T = 1 before heating begins.
      factor: f, the ratio of one temperature to the temperature before.
    """

    max_temperature: float
    max_still: int
    factor: float = 2.0

    def __post_init__(self):
        if not (self.max_temperature > 1 and self.factor > 1 and self.max_still >= 0):
            raise InputError(
                f"{self}: choose max_temperature and factor above 1, max_still from 0 on"
            )

    @property
    def num_heating(self) -> int:
        """H, the number of heating steps."""
        # Rounded first, because log_5 125 in floats is slightly above 3.
        return math.ceil(round(math.log(self.max_temperature, self.factor), 9))

    def heating(self, num_still: tf.Tensor) -> tf.Tensor:
        """Returns temperatures [N + H, B] for walks with `num_still` steps at T = 1 first.

        `num_still` is n, float [B]. All walks end at the same step: a walk with n < N waits first,
        with N - n temperatures 0.
        """
        wait = tf.range(self.max_still, dtype=tf.float32)[:, None] < self.max_still - num_still
        rising = self.cooling()[::-1, None] * tf.ones_like(num_still)
        return tf.concat([tf.where(wait, 0.0, 1.0), rising], axis=0)

    def cooling(self) -> tf.Tensor:
        """Returns falling temperatures [H], down to 1."""
        return self.factor ** tf.range(self.num_heating - 1, -1, -1, tf.float32)


def variance_ratio(sigma_max: float, sigma: float) -> float:
    """Returns T_max = sigma_max^2 / sigma^2.

    sigma_max: standard deviation of the data.   sigma: of a step at T = 1.
    """
    return (sigma_max / sigma) ** 2


def make_step(move: Callable, clamp: Callable | None = None, record: bool = False) -> Callable:
    """Returns the kernel `step(state, temperatures, seed)`; its control is [B].

    A walk with temperature 0 waits.

    Args:
      move: `(position, temperatures, seed) -> position`, called with positive temperatures.
      clamp: `position -> position`, called after every move.
      record: whether the info holds the position.
    """

    def step(state: WalkState, temperatures: tf.Tensor, seed: Seed):
        goes = temperatures > 0
        position = move(state.position, tf.where(goes, temperatures, 1.0), seed)
        goes = tf.reshape(goes, [-1] + [1] * (len(position.shape) - 1))
        position = tf.where(goes, position, state.position)
        if clamp is not None:
            position = clamp(position)
        return WalkState(position), WalkInfo(position if record else ())

    return step
