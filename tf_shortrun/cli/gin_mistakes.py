"""Finds mistakes in gin files and explains each in one line."""

import copy
import difflib
import re
import typing
from collections.abc import Sequence

import gin
import typeguard
from gin import config_parser

from tf_shortrun.cli import gin_internals
from tf_shortrun.core.errors import InputError


class _Names(config_parser.ParserDelegate):
    """A parser delegate that keeps references as text: only the bound names are needed."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        return scoped_configurable_name

    def macro(self, macro_name):
        return macro_name


def check_bound_once(text: str, where: str):
    """Raises InputError if a gin text binds a parameter twice. gin would use the last binding."""
    seen = set()
    try:
        for s in config_parser.ConfigParser(text, _Names()):
            if isinstance(s, config_parser.BindingStatement):
                scoped = "/".join(filter(None, (s.scope, s.selector)))
                name = ".".join(filter(None, (scoped, s.arg_name)))
                if name in seen:
                    raise InputError(f"{where} binds {name} twice: keep one")
                seen.add(name)
    except SyntaxError as error:
        raise InputError(f"{where}, line {error.lineno}: {error.msg.splitlines()[0]}") from error


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
    every = typeguard.CollectionCheckStrategy.ALL_ITEMS
    try:
        typeguard.check_type(value, hint, collection_check_strategy=every)
    except typeguard.TypeCheckError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name} = {value!r} has the wrong type: {reason}") from error


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


def first_line(error: Exception) -> str:
    """Returns the first line of an error, without the list of calls that gin appends."""
    return str(error).strip().splitlines()[0]


def explain(error: Exception) -> str:
    """Returns gin's message in one line, with the most similar name if a name is misspelt."""
    line = first_line(error)
    where = re.search(
        r"In (file \".*?\"|bindings string), line (\d+)", str(error).replace("\n", " ")
    )
    parameter = re.match(r"Configurable '(.+)' doesn't have a parameter named '(.+)'", line)
    if parameter:
        owner, name = parameter.groups()
        line = f"{owner} has no parameter {name!r}: {near(name, _parameters(owner))}"
    unknown = re.match(r"No configurable matching '(.+?)'", line)
    if unknown:
        known = [s.rsplit(".", 1)[-1] for s in gin_internals.selectors()]
        line = f"nothing is called {unknown[1]}: {near(unknown[1].rsplit('.', 1)[-1], known)}"
    return f"{line} ({where[0]})" if where else line


def _parameters(selector: str) -> list[str]:
    matches = gin_internals.matching(selector)
    return list(_hints(gin_internals.wrapped(matches[0]))) if matches else []


def near(name: str, known: Sequence[str]) -> str:
    """Returns a question that proposes the known names most similar to a misspelt `name`."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(dict.fromkeys(close))}?" if close else "check the spelling"
