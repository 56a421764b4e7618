"""Refuses a model whose variables cannot fit into memory, before it takes any memory."""

import contextlib
import math
import os
from collections.abc import Iterator

import keras
import tensorflow as tf

from tf_shortrun.core.errors import InputError


class _TooLarge(BaseException):
    """Ends the building of a model; Keras would catch an Exception and go on."""


def of_machine() -> int:
    """Returns the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@contextlib.contextmanager
def bounded_scope(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Opens the scope of a strategy, where variables take at most the memory of this machine.

    Raises:
      InputError: before a variable that would take more.
    """
    most, taken = of_machine(), 0

    def create(next_creator, **kwargs):
        nonlocal taken
        taken += _bytes(kwargs["initial_value"])
        if taken > most:
            raise _TooLarge
        return next_creator(**kwargs)

    try:
        with strategy.scope(), tf.variable_creator_scope(create):
            yield
    except _TooLarge as error:
        keras.utils.clear_session(free_memory=False)  # it would make the variables later
        raise InputError(
            f"the variables of the model need more than the {most / 2**30:.3g} GiB of memory of "
            "this machine: choose smaller widths or fewer features"
        ) from error


def _bytes(initial_value) -> int:
    """Returns the size of a variable of Keras, whose first value is a function of it."""
    cells = getattr(initial_value, "__closure__", None) or ()
    for variable in (cell.cell_contents for cell in cells):
        if isinstance(variable, keras.Variable):
            return math.prod(variable.shape) * tf.as_dtype(variable.dtype).size
    return 0
