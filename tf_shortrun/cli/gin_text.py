"""Finds mistakes in the text of a gin file before gin reads it, where gin would say too little."""

import math
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from gin import config_parser

from tf_shortrun.core.errors import InputError

DEEPEST = 20  # brackets in brackets


class Names(config_parser.ParserDelegate):
    """A parser delegate that keeps references as text: only bound names and values are needed.

    Attributes:
      references: every name that was referred to, with its scope.
    """

    def __init__(self):
        self.references: list[str] = []

    def configurable_reference(self, scoped_configurable_name, evaluate):
        self.references.append(scoped_configurable_name)
        return f"@{scoped_configurable_name}"

    def macro(self, macro_name):
        return f"%{macro_name}"


def read(path: str) -> str:
    """Returns the text of a gin file, which is UTF-8 with or without a byte order mark.

    Raises:
      InputError: if the file cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file in UTF-8: give a gin file") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def check(text: str, where: str):
    """Checks syntax, that no parameter is bound twice (gin uses the last), and literal values.

    Raises:
      InputError: if there is a mistake; the message names its line.
    """
    seen = set()
    for statement in statements(text, where, Names()):
        if isinstance(statement, config_parser.BindingStatement):
            scoped = "/".join(filter(None, (statement.scope, statement.selector)))
            name = ".".join(filter(None, (scoped, statement.arg_name)))
            if name in seen:
                raise InputError(f"{where} binds {name} twice: keep one")
            seen.add(name)
            _check_value(statement.value, f"{where}, line {statement.location.line_num}: {name}")


def statements(text: str, where: str, names: Names) -> Iterator:
    """Yields the statements of a gin file, as gin reads them; `names` gets their references.

    Raises:
      InputError: if one has a mistake; the message names its line.
    """
    try:
        yield from config_parser.ConfigParser(text, names)
    except SyntaxError as error:
        raise InputError(f"{where}, line {error.lineno}: {_advice(error)}") from error
    except tokenize.TokenError as error:
        raise InputError(f"{where} ends inside a bracket or a string: close it") from error
    except RecursionError as error:
        raise InputError(f"{where} nests brackets too deeply: at most {DEEPEST}") from error


def _advice(error: SyntaxError) -> str:
    """Returns what is wrong in the line of a syntax error, with the remedy if it is known."""
    text = " ".join((error.text or "").split())  # a string may have several lines
    name, _, value = (part.strip() for part in text.partition("="))
    token = re.search(r"Failed to parse token '(.*)'", error.msg or "")
    if "unicodeescape" in (error.msg or ""):
        return rf"{value} has a backslash, which begins an escape such as \n: write / instead"
    if re.fullmatch(r"[A-Za-z_~./][\w~./: -]*", value):
        return f"text needs quotes, also inside those of the shell: \"{name} = '{value}'\""
    if re.match(r"[\d.]+\s*[-+*/]", value):
        return f"{value} is not computed: write the number itself"
    if token and re.fullmatch(r"\w+", token[1]):
        return f"{token[1]} is no value: text needs quotes, '{token[1]}'"
    if "Couldn't parse statement" in (error.msg or ""):
        return f"{text} is no binding: write NAME = VALUE"
    if value.count("'") % 2 or value.count('"') % 2:
        return f"{value} has a quote without an end: close it"
    line = f" ({text[:60]})" if text else ""
    return f"{(error.msg or '').splitlines()[0]}{line}"


def _check_value(value, name: str, depth: int = 0):
    if depth > DEEPEST:
        raise InputError(f"{name} nests brackets too deeply: at most {DEEPEST}")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{name} is too large for a number: choose a smaller one")
    control = re.search(r"[\x00-\x1f\x7f]", value) if isinstance(value, str) else None
    if control:
        raise InputError(
            f"{name} has the control character {control[0]!r}: a backslash begins an escape, "
            "write / in a path"
        )
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    for part in parts if isinstance(parts, list | tuple) else ():
        _check_value(part, name, depth + 1)
