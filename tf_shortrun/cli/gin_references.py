"""The references in bound values: which exist, and whether one leads back to itself.

A call of a configurable in the scope a/b uses the binding of a/b, else that of a, else the unscoped
one. A reference with a scope is called in that scope, one without in the scope of its caller. A
macro is a configurable whose scope is its name.
"""

from collections.abc import Iterator

import gin
import tensorflow as tf

from tf_shortrun.cli import gin_internals
from tf_shortrun.cli.gin_internals import Key
from tf_shortrun.core.errors import InputError

MACRO = "gin.macro"


def references(value) -> list:
    """Returns every `@f`, `@f()` and `%macro` in a bound value."""
    leaves = tf.nest.flatten(value)
    return [leaf for leaf in leaves if isinstance(leaf, gin.config.ConfigurableReference)]


def binding_scope(called: str, selector: str, name: str) -> str | None:
    """Returns the scope of the binding that a call in the scope `called` uses; None if unbound."""
    parts = called.split("/") if called else []
    for length in range(len(parts), -1, -1):
        scope = "/".join(parts[:length])
        if name in gin_internals.bindings().get((scope, selector), {}):
            return scope
    return None


def bindings_of(call: Key) -> Iterator[tuple[str, str, str]]:
    """Yields the bindings (scope, selector, name) that a call uses, and those of what they name."""
    scope, selector = call
    found = {
        n for (_, s), bound in gin_internals.bindings().items() if s == selector for n in bound
    }
    for name in sorted(found):
        bound_in = binding_scope(scope, selector, name)
        if bound_in is not None:
            yield bound_in, selector, name
            for reference in references(gin_internals.bindings()[bound_in, selector][name]):
                inner, selected = reference.config_key
                yield from bindings_of((inner or scope, selected))


def check_ends():
    """Raises InputError if a macro or a call leads back to itself."""
    done: set[Key] = set()
    for key in list(gin_internals.bindings()):
        _follow(key, [], done)


def _follow(call: Key, path: list[Key], done: set[Key]):
    if call in path:
        names = [shown(*key) for key in (*path[path.index(call) :], call)]
        raise InputError(f"{' -> '.join(names)} leads back to itself: bind a value instead")
    if call not in done:
        for next_call in _calls(*call):
            _follow(next_call, [*path, call], done)
        done.add(call)


def _calls(scope: str, selector: str) -> Iterator[Key]:
    """Yields the calls that gin makes for the values of a call."""
    names = {name for (_, s), bound in gin_internals.bindings().items() if s == selector
             for name in bound}  # fmt: skip
    for name in sorted(names):
        bound_in = binding_scope(scope, selector, name)
        if bound_in is not None:
            for reference in references(gin_internals.bindings()[bound_in, selector][name]):
                if reference.evaluate:
                    inner, selected = reference.config_key
                    yield inner or scope, selected


def shown(scope: str, selector: str, name: str = "") -> str:
    """Returns a name as it is written in a gin file: that of a macro is its scope."""
    if selector == MACRO:
        return scope
    return ("/".join(filter(None, [scope, selector]))) + (f".{name}" if name else "")
