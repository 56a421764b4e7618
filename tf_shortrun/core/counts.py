"""Numbers of images, steps, chains: whole, and at least 1."""

import dataclasses

from tf_shortrun.core.errors import InputError


def check_counts(owner, **least: int) -> None:
    """Checks every whole number, or tuple of them, among the fields of a dataclass.

    Args:
      least: by field, the smallest number that makes sense where it is not 1.

    Raises:
      InputError: if one is smaller.
    """
    for field in dataclasses.fields(owner):
        value, smallest = getattr(owner, field.name), least.get(field.name, 1)
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(number, int) and number < smallest for number in numbers):
            raise InputError(
                f"{type(owner).__name__}.{field.name} is {value}: choose from {smallest} on"
            )
