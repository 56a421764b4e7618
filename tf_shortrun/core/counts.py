"""A check for numbers of images, steps or chains, which must be at least 1."""

import dataclasses

from tf_shortrun.core.errors import InputError


def check_counts(owner, **least: int) -> None:
    """Checks all integer fields of a dataclass, and all fields that are tuples of integers.

    Args:
      least: the smallest allowed number of a field, by field name, where it is not 1.

    Raises:
      InputError: if a number is smaller than allowed.
    """
    for field in dataclasses.fields(owner):
        value, smallest = getattr(owner, field.name), least.get(field.name, 1)
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(number, int) and number < smallest for number in numbers):
            raise InputError(
                f"{type(owner).__name__}.{field.name} is {value}: choose from {smallest} on"
            )
