"""Capabilities of objects: functions that test, require or conditionally offer them.

A capability is a protocol, e.g. of `core/contracts.py`. An object has a capability if and only if
it has all names of the protocol. Do not test with `isinstance`: it does not see which names
`only_if` hides.
"""

import types
from collections.abc import Callable
from typing import TypeGuard, TypeVar

from tf_shortrun.core.errors import InputError

Kind = TypeVar("Kind")


def members(capability: type) -> list[str]:
    """Returns the sorted public names of a protocol and of its bases."""
    names = {
        name
        for protocol in capability.__mro__
        for name in (*vars(protocol), *vars(protocol).get("__annotations__", ()))
    }
    return sorted(name for name in names if not name.startswith("_"))


def can(thing, capability: type[Kind]) -> TypeGuard[Kind]:
    """Returns whether the object has the capability."""
    return all(hasattr(thing, name) for name in members(capability))


def require(learner, capability: type, what_for: str) -> None:
    """Checks that the learner has the capability.

    Args:
      what_for: the part that needs the capability; the message says to leave this part out.

    Raises:
      InputError: if the learner does not have the capability.
    """
    if not can(learner, capability):
        kind = (capability.__doc__ or "").splitlines()[0].removesuffix(".")
        raise InputError(
            f"{type(learner).__name__} is not {kind[0].lower()}{kind[1:]}: "
            f"leave {what_for} out, or choose another method"
        )


def check_part(part, capability: type) -> None:
    """Checks that a part bound in an experiment has the capability that its place requires.

    Raises:
      InputError: if names of the capability are missing; the message lists these names. If the
        part is a class or a function that would have to be called.
    """
    if isinstance(part, type):
        raise InputError(
            f"{part.__name__} is a class and no {capability.__name__}: call it with ()"
        )
    missing = [name for name in members(capability) if not hasattr(part, name)]
    if missing:
        raise InputError(
            f"{getattr(part, '__name__', type(part).__name__)} is no {capability.__name__}: "
            f"it has no {', '.join(missing)}, see {capability.__module__}.{capability.__name__}"
        )


def only_if(condition: Callable) -> Callable:
    """Returns a decorator for a method that an object has only if `condition(object)` holds.

    Use it for objects whose parts decide what they can do. If the condition does not hold, access
    to the method raises AttributeError.
    """
    return lambda method: _Conditional(method, condition)


class _Conditional:
    def __init__(self, method: Callable, condition: Callable):
        self.__doc__, self._method, self._condition = method.__doc__, method, condition

    def __get__(self, thing, owner: type):
        if thing is None:
            return self
        if not self._condition(thing):
            raise AttributeError(f"this {owner.__name__} has no {self._method.__name__}")
        return types.MethodType(self._method, thing)
