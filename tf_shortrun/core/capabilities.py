"""What an object can do: asked, demanded, and offered only where it works.

A capability is a protocol, e.g. of `core/contracts.py`. An object has it if and only if it has all
its names; `isinstance` is no way to ask, as it does not see what `only_if` hides.
"""

import types
from collections.abc import Callable
from typing import TypeGuard, TypeVar

from tf_shortrun.core.errors import InputError

Kind = TypeVar("Kind")


def members(capability: type) -> list[str]:
    """The public names of a protocol, those of its bases included."""
    names = {
        name
        for protocol in capability.__mro__
        for name in (*vars(protocol), *vars(protocol).get("__annotations__", ()))
    }
    return sorted(name for name in names if not name.startswith("_"))


def can(thing, capability: type[Kind]) -> TypeGuard[Kind]:
    """Whether the object has the capability."""
    return all(hasattr(thing, name) for name in members(capability))


def require(learner, capability: type, what_for: str) -> None:
    """Returns if the learner has the capability.

    Args:
      what_for: who asks, to be left out if the learner cannot do it.

    Raises:
      InputError: if it has not.
    """
    if not can(learner, capability):
        kind = (capability.__doc__ or "").splitlines()[0].removesuffix(".")
        raise InputError(
            f"{type(learner).__name__} is not {kind[0].lower()}{kind[1:]}: "
            f"leave {what_for} out, or choose another method"
        )


def check_part(part, capability: type) -> None:
    """Returns if a part that was bound in an experiment is of the kind that it stands for.

    Raises:
      InputError: if names of the capability are missing, with these names.
    """
    missing = [name for name in members(capability) if not hasattr(part, name)]
    if missing:
        raise InputError(
            f"{getattr(part, '__name__', type(part).__name__)} is no {capability.__name__}: "
            f"it has no {', '.join(missing)}, see {capability.__module__}.{capability.__name__}"
        )


def only_if(condition: Callable) -> Callable:
    """Decorates a method that an object has only where `condition(object)` holds.

    For objects whose parts decide what they can do: elsewhere the name is not there.
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
