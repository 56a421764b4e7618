"""Mistakes in gin files, found and told in one line."""

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
    """References as text: enough to see which parameter a statement binds."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        return scoped_configurable_name

    def macro(self, macro_name):
        return macro_name


def check_bound_once(text: str, where: str):
    """Raises InputError if a gin text binds one parameter twice; gin keeps the last."""
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
                # gin resolves references and macros while copying.
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
    except (NameError, TypeError):  # a library whose annotations are for readers only
        return {}


def _is_call(value) -> bool:
    """Whether the value is made later, by a call `@f()`; a macro is looked through."""
    reference = isinstance(value, gin.config.ConfigurableReference)
    if reference and value.selector == "gin.macro":
        macro = gin_internals.bindings().get(("/".join(value.scopes), "gin.macro"), {})
        return _is_call(macro.get("value"))
    parts = value if isinstance(value, list | tuple) else ()
    return (reference and value.evaluate) or any(map(_is_call, parts))


def first_line(error: Exception) -> str:
    """What an error says, without gin's account of the calls around it."""
    return str(error).strip().splitlines()[0]


def explain(error: Exception) -> str:
    """gin's message in one line, with the nearest name when one is misspelt."""
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
    """A question that proposes the known names closest to a misspelt one."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(dict.fromkeys(close))}?" if close else "check the spelling"
