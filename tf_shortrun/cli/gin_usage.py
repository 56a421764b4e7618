"""Finds bindings that nothing uses, once everything is built."""

from tf_shortrun.cli import gin_internals
from tf_shortrun.cli.gin_references import MACRO, binding_scope, references, shown
from tf_shortrun.cli.gin_sources import Name, Sources
from tf_shortrun.core.errors import InputError

_NAMED = 3  # names in a message


def check(sources: Sources):
    """Raises InputError if a binding was not used, unless a later file or flag made it idle.

    That is so if there was no call that it is for, and the later one replaced what led there.
    """
    unused = sorted(
        shown(*name) for name in _unused() if _is_called(*name) or not sources.is_abandoned(name)
    )
    if unused:
        more = f" and {len(unused) - _NAMED} more" if len(unused) > _NAMED else ""
        raise InputError(f"nothing uses the binding {', '.join(unused[:_NAMED])}{more}: remove it")


def _unused() -> list[Name]:
    values = [value for bound in gin_internals.bindings().values() for value in bound.values()]
    # A function passed as a value may be called only later.
    later = {r.configurable.selector for r in references(values) if not r.evaluate}
    return [
        (scope, selector, name)
        for (scope, selector), bound in gin_internals.bindings().items()
        for name in bound
        if selector not in later and not _is_read(scope, selector, name)
    ]


def _is_called(scope: str, selector: str, name: str) -> bool:
    """Returns whether there was a call that this binding is for."""
    calls = gin_internals.parameters_read()
    if selector == MACRO:
        return (scope, MACRO) in calls
    return any(scope == binding_scope(called, s, name) for called, s in calls if s == selector)


def _is_read(scope: str, selector: str, name: str) -> bool:
    """Returns whether some call used the value of this binding."""
    calls = (
        called
        for (called, s), read in gin_internals.parameters_read().items()
        if s == selector and name in read
    )
    return any(scope == binding_scope(called, selector, name) for called in calls)
