"""Where bindings come from: which file or flag made each, in which order.

A later file may replace `@f()` by something else, and the bindings of f in files before become
idle. That is no mistake of the user. A binding that nothing used before is one.
"""

import contextlib
import io
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tf_shortrun.cli import gin_text
from tf_shortrun.cli.gin_references import MACRO, references
from tf_shortrun.core.errors import InputError

FLAG = "--gin_bindings"
Name = tuple[str, str, str]  # scope, selector, parameter


class Binding(NamedTuple):
    """One binding statement, and the file or flag that has it."""

    source: str
    name: Name
    value: object


class Sources:
    """The bindings in the order in which gin made them.

    Args:
      check: called with the text and the name of each file before gin reads it.
    """

    def __init__(self, check: Callable[[str, str], None] = gin_text.check):
        self._check = check
        self._made: list[Binding] = []
        self._open: list[str] = []

    @contextlib.contextmanager
    def read(self, path: str) -> Iterator[io.StringIO]:
        """Opens a gin file for gin.

        Raises:
          InputError: if the file has a mistake in its text, or includes itself.
        """
        if path in self._open:
            way = " -> ".join([*self._open[self._open.index(path) :], path])
            raise InputError(f"{way} is a circle of includes: remove one of them")
        text = gin_text.read(path)
        self._check(text, path)
        file = io.StringIO(text)
        file.name = path  # for the messages of gin
        self._open.append(path)
        yield file
        self._open.pop()

    def note(self, name: Name, value: object):
        """Notes a binding that gin makes now."""
        self._made.append(Binding(self._open[-1] if self._open else FLAG, name, value))

    def is_abandoned(self, name: Name) -> bool:
        """Returns whether a binding is idle because of a later file or flag.

        That is so if the later one replaced a value that led to what the binding configures.
        """
        last = max(i for i, binding in enumerate(self._made) if binding.name == name)
        return any(
            self._made[place].source != self._made[last].source
            and _node(*name[:2]) in self._reached(value)
            for place, value in self._replaced()
            if place > last
        )

    def _replaced(self) -> Iterator[tuple[int, object]]:
        """Yields the places of bindings that replace another one, with the replaced values."""
        values: dict[Name, object] = {}
        for place, binding in enumerate(self._made):
            if binding.name in values:
                yield place, values[binding.name]
            values[binding.name] = binding.value

    def _reached(self, value: object) -> set[str]:
        """Returns all that a value leads to by references, through any binding ever made."""
        found: set[str] = set()
        waiting = _nodes(value)
        while waiting:
            found |= waiting
            values = [b.value for b in self._made if _node(*b.name[:2]) in waiting]
            waiting = set().union(*map(_nodes, values)) - found
        return found


def _nodes(value: object) -> set[str]:
    return {_node(*reference.config_key) for reference in references(value)}


def _node(scope: str, selector: str) -> str:
    """Returns what a reference leads to: a macro, or a configurable in any scope."""
    return scope if selector == MACRO else selector
