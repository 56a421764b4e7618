"""Explains the errors of gin in one line, with the remedy."""

import inspect
import re

from tf_shortrun.cli import gin_imports, gin_internals
from tf_shortrun.core.words import near

_LONGEST = 300  # characters of a message
_WHERE = re.compile(r"In (file \"(.*?)\"|bindings string), line (\d+)")
_OWNER = re.compile(r"In call to configurable '(\w+)'")


def first_line(error: Exception) -> str:
    """Returns the first line of an error, without the list of calls that gin appends."""
    lines = str(error).strip().splitlines()
    return lines[0][:_LONGEST] if lines else type(error).__name__


def explain(error: Exception) -> str:
    """Returns gin's message in one line, with the most similar name if a name is misspelt."""
    line = first_line(error)
    where = _WHERE.search(str(error).replace("\n", " "))
    owner = _OWNER.search(str(error))
    for pattern, advice in _ADVICE.items():
        match = re.match(pattern, line)
        if match:
            line = advice(*match.groups(), owner[1] if owner else "", where)
            break
    return f"{line} ({where[0]})" if where else line


def _not_imported(name: str, *_) -> str:
    found = gin_imports.lines(name)
    if found:
        return f"{name} is not imported: add the line {' or '.join(found)}"
    return f"{name} is not imported: {near(name, gin_imports.known())}"


def _unknown_parameter(owner: str, name: str, *_) -> str:
    return f"{owner} has no parameter {name!r}: {near(name, _parameters(owner))}"


def _unrecognized(name: str, owner: str, _) -> str:
    return _unknown_parameter(owner, name)


def _unknown_name(name: str, _, where) -> str:
    known = [selector.split(".") for selector in gin_internals.selectors()]
    first, *others = name.split(".")
    is_imported = any(first in parts for parts in known)
    if is_imported or not others or not gin_imports.lines(first):
        return f"nothing is called {name}: {near(name.split('.')[-1], [p[-1] for p in known])}"
    lines = [gin_imports.REGISTRATION, gin_imports.lines(first)[0]]
    return f"nothing is called {name} here: a gin file needs the lines {' and '.join(lines)}"


def _missing_value(names: str, owner: str, _) -> str:
    names = re.sub(r"'", "", names)
    full = [s for s in gin_internals.selectors() if s.rsplit(".", 1)[-1] == owner]
    owner = ".".join(full[0].split(".")[-2:]) if full else owner
    binding = f"{owner}.{re.split(', | and ', names)[0]} = VALUE"
    return f"{owner} has no value for {names}: bind it, e.g. {binding}"


def _no_attribute(selector: str, name: str, *_) -> str:
    found = gin_imports.lines(selector.split(".")[0])
    return f"{selector} has no {name}: check the spelling" + (f" ({found[0]})" if found else "")


def _not_a_rate(value: str, owner: str, _) -> str:
    return f"{owner}.learning_rate is {value}: bind a positive number with a dot, or a schedule"


def _no_file(file: str, *_) -> str:
    return f"there is no gin file {file}: check the path, which begins in the working directory"


_ADVICE = {
    r".*learning_rate.* should be float.*Received instead: learning_rate=(.*)": _not_a_rate,
    r"Unable to open file: (.*)\. Searched": _no_file,
    r"'(\w+)' was not provided by an import": _not_imported,
    r"Configurable '(.+)' doesn't have a parameter named '(.+)'": _unknown_parameter,
    r"Argument\(s\) not recognized: {'(\w+)'": _unrecognized,
    r"No configurable matching (?:reference )?'@?([\w.]+)": _unknown_name,
    r".*missing \d+ required (?:positional |keyword-only )?arguments?: (.+)": _missing_value,
    r"Couldn't resolve selector ([\w.]+); .* has no attribute (\w+)": _no_attribute,
}


def _parameters(owner: str) -> list[str]:
    matches = gin_internals.matching(owner)
    if not matches:
        return []
    return list(inspect.signature(gin_internals.wrapped(matches[0])).parameters)
