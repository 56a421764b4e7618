"""Checks of numbers of images, steps or chains: at least 1, and not absurdly many."""

import dataclasses

from tf_shortrun.core.errors import InputError

_MOST = 10**8
_MOST_IN_AN_UPDATE = 10**6


def check_counts(owner, **least: int) -> None:
    """Checks all integer fields of a dataclass, and all fields that are tuples of integers.

    Args:
      least: the smallest allowed number of a field, by field name, where it is not 1.

    Raises:
      InputError: if a number is smaller or larger than allowed.
    """
    for field in dataclasses.fields(owner):
        value, smallest = getattr(owner, field.name), least.get(field.name, 1)
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(number, int) and number < smallest for number in numbers):
            raise InputError(
                f"{type(owner).__name__}.{field.name} is {value}: choose from {smallest} on"
            )
        if any(isinstance(number, int) and number > _MOST for number in numbers):
            raise InputError(f"{type(owner).__name__}.{field.name} is {value}: at most {_MOST:,}")


def check_length(num_steps: int) -> None:
    """Raises InputError if a chain has no steps, or absurdly many."""
    if num_steps < 1:
        raise InputError(f"num_steps is {num_steps}: choose at least one step")
    check_most(num_steps=num_steps)


def check_most(**numbers: int) -> None:
    """Raises InputError if a number of chains, steps or units of an update is absurdly large."""
    for name, number in numbers.items():
        if number > _MOST_IN_AN_UPDATE:
            raise InputError(f"{name} is {number}: choose at most {_MOST_IN_AN_UPDATE:,}")
