"""Checks the numbers of Keras optimizers and of their schedules, which Keras does not check."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping

import keras

from tf_shortrun.core.errors import InputError

# By the name of a parameter in Keras: the smallest number, the first one that is too large.
_INTERVALS = {
    **dict.fromkeys(("beta_1", "beta_2", "rho", "momentum", "ema_momentum"), (0, 1)),
    **dict.fromkeys(("initial_learning_rate", "end_learning_rate", "weight_decay"), (0, math.inf)),
}
_POSITIVE = ("learning_rate", "epsilon", "clipnorm", "clipvalue", "global_clipnorm")
_MAY_BE_NONE = ("weight_decay", "clipnorm", "clipvalue", "global_clipnorm")


def check_optimizers(parts: Iterable) -> None:
    """Checks every Keras optimizer among the parts of a learner, and its schedule.

    Raises:
      InputError: if a number makes no sense.
    """
    for part in parts:
        if isinstance(part, keras.optimizers.Optimizer):
            name, settings = type(part).__name__, _settings(part)
            rate = settings["learning_rate"]
            if isinstance(rate, Mapping):  # a schedule, as Keras writes it
                _check_settings(f"{name}.learning_rate", settings.pop("learning_rate")["config"])
            _check_numbers(name, settings)


def check_schedule(owner: str, schedule: Callable | None) -> None:
    """Checks a schedule of Keras that is not that of an optimizer.

    Raises:
      InputError: if it is a class, or a number of it makes no sense.
    """
    if isinstance(schedule, type):
        raise InputError(f"{owner} is a class: a schedule needs ()")
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        _check_settings(owner, schedule.get_config())


def _settings(optimizer: keras.optimizers.Optimizer) -> dict:
    try:
        return optimizer.get_config()
    except TypeError as error:  # Keras cannot write e.g. the class of a schedule
        name = type(optimizer).__name__
        raise InputError(
            f"{name}.learning_rate is no number and no schedule: a schedule needs ()"
        ) from error


def _check_settings(owner: str, settings: object):
    if not isinstance(settings, Mapping):
        return  # a function of the user
    _check_numbers(owner, settings)
    begins, values = settings.get("boundaries", ()), settings.get("values", ())
    rises = all(map(_is_number, begins)) and all(a < b for a, b in itertools.pairwise((0, *begins)))
    if not rises:
        raise InputError(f"{owner}: boundaries are {begins!r}: choose rising numbers above 0")
    if not all(_is_number(value) and value >= 0 for value in values):
        raise InputError(f"{owner}: values are {values!r}: choose numbers from 0 on")


def _check_numbers(owner: str, settings: Mapping):
    for name, value in settings.items():
        if value is None and name in _MAY_BE_NONE:
            continue
        if name in _POSITIVE and not (_is_number(value) and value > 0):
            raise InputError(f"{owner}: {name} is {value!r}: choose a positive number")
        least, limit = _INTERVALS.get(name, (-math.inf, math.inf))
        if name in _INTERVALS and not (_is_number(value) and least <= value < limit):
            end = f" up to, but below, {limit}" if limit < math.inf else " on"
            raise InputError(f"{owner}: {name} is {value!r}: choose a number from {least}{end}")


def _is_number(value) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)
