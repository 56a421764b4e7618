"""Finds values of the wrong type in gin files."""

import copy
import reprlib
import typing

import gin
import typeguard

from tf_shortrun.cli import gin_internals
from tf_shortrun.core.errors import InputError


def check_types():
    """Raises InputError if a bound value does not fit the annotation of its parameter."""
    for (_, selector), bound in gin_internals.bindings().items():
        wrapped = gin_internals.wrapped(selector)
        hints = _hints(wrapped)
        for name, value in bound.items():
            if name in hints and not _is_call(value):
                # gin resolves references and macros in a deep copy.
                _check_type(f"{selector}.{name}", copy.deepcopy(value), hints[name])


def _check_type(name: str, value, hint):
    if {int, float} & _types(hint) and bool not in _types(hint) and _has_bool(value):
        raise InputError(f"{name} = {_short(value)} has the wrong type: write a number, not a bool")
    every = typeguard.CollectionCheckStrategy.ALL_ITEMS
    try:
        typeguard.check_type(value, hint, collection_check_strategy=every)
    except typeguard.TypeCheckError as error:
        reason = " ".join(str(error).split())
        call = f" (to call it, write @{value.__name__}())" if callable(value) else ""
        raise InputError(f"{name} = {_short(value)} has the wrong type: {reason}{call}") from error


def _short(value) -> str:
    """Returns a value as text; functions and classes by their names."""
    return value.__name__ if callable(value) else reprlib.repr(value)


def _types(hint) -> set:
    """Returns all types in an annotation."""
    own = set() if isinstance(hint, list) else {hint}  # the list of arguments of a Callable
    return own.union(*map(_types, hint if isinstance(hint, list) else typing.get_args(hint)))


def _has_bool(value) -> bool:
    parts = value if isinstance(value, list | tuple) else ()
    return isinstance(value, bool) or any(map(_has_bool, parts))


def _hints(wrapped) -> dict:
    is_dataclass = hasattr(wrapped, "__dataclass_fields__")
    owner = wrapped.__init__ if isinstance(wrapped, type) and not is_dataclass else wrapped
    try:
        return typing.get_type_hints(owner)
    except (NameError, TypeError):  # some libraries have annotations that cannot be evaluated
        return {}


def _is_call(value) -> bool:
    """Returns whether the value contains a call `@f()`, directly or in a macro."""
    reference = isinstance(value, gin.config.ConfigurableReference)
    if reference and value.selector == "gin.macro":
        macro = gin_internals.bindings().get(("/".join(value.scopes), "gin.macro"), {})
        return _is_call(macro.get("value"))
    parts = value if isinstance(value, list | tuple) else ()
    return (reference and value.evaluate) or any(map(_is_call, parts))
