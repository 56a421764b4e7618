"""Everything gin: a file becomes an `Experiment`, mistakes become one line.

gin itself catches unknown names. What it lets pass is caught here: values of the
wrong type, bindings that nobody uses, and one parameter bound twice in one file.
"""

import contextlib
import copy
import difflib
import re
import typing
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
import typeguard
from absl import logging

import gin
from gin import config_parser
from tf_shortrun.errors import InputError
from tf_shortrun.experiment import Experiment

_ROOT = Path(__file__).parents[1]


def load(files: Sequence[str], bindings: Sequence[str] = ()) -> Experiment:
    """The experiment that gin files and `--gin_bindings` describe.

    Later files and bindings override earlier ones. Paths, also of includes, are relative
    to the working directory or to the root of this package's checkout.

    Raises:
      InputError: one line on what is wrong.
    """
    gin.clear_config(clear_constants=True)
    gin.add_config_file_search_path(str(_ROOT))
    for file in files:
        _check_bound_once(_read(file), f"{file}")
    _check_bound_once("\n".join(bindings), "--gin_bindings")
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.FATAL)  # gin reports every place where an include is not
    try:
        gin.parse_config_files_and_bindings([_find(f) for f in files], list(bindings))
    except (ValueError, SyntaxError, ImportError, OSError, AttributeError) as error:
        raise InputError(_explain(error)) from error
    finally:
        logging.set_verbosity(verbosity)
    _check_types()
    with explained():
        return gin.get_configurable(Experiment)()


@contextlib.contextmanager
def explained():
    """Errors of what gin calls, in one line: a value that does not fit, a missing binding."""
    try:
        yield
    except InputError as error:
        raise InputError(_first_line(error)) from error
    except (ValueError, TypeError, RuntimeError) as error:
        if "In call to configurable" not in str(error):
            raise  # not about a binding
        raise InputError(_explain(error)) from error


def check_used():
    """Raises InputError if a binding was not used. Call when everything is built."""
    later = {
        reference.configurable.selector for reference in _references() if not reference.evaluate
    }
    unused = [
        f"{scope + '/' if scope else ''}{selector}.{name}"
        for (scope, selector), bound in gin.config._CONFIG.items()
        for name in bound
        if name not in gin.config._OPERATIVE_CONFIG.get((scope, selector), {})
        and selector not in later  # a function handed over is called when it is needed
    ]
    if unused:
        raise InputError(f"nobody uses the binding {', '.join(sorted(unused))}: remove it")


def _references() -> list:
    """Every `@f` and `@f()` that some binding holds."""
    values = [value for bound in gin.config._CONFIG.values() for value in bound.values()]
    leaves = tf.nest.flatten(values)
    return [leaf for leaf in leaves if isinstance(leaf, gin.config.ConfigurableReference)]


def operative() -> str:
    """Every parameter of everything that was built, defaults included, as a gin file."""
    return gin.operative_config_str()


def _find(file: str) -> str:
    for path in (Path(file), _ROOT / file):
        if path.is_file():
            return str(path)
    known = [str(p.relative_to(_ROOT)) for p in sorted(_ROOT.glob("reproduce/*.gin"))]
    raise InputError(f"no gin file {file}: {_near(file, known)}")


def _read(file: str) -> str:
    try:
        return Path(_find(file)).read_text()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not a text file: give a gin file") from error


class _Names(config_parser.ParserDelegate):
    """References as text: enough to see which parameter a statement binds."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        return scoped_configurable_name

    def macro(self, macro_name):
        return macro_name


def _check_bound_once(text: str, where: str):
    seen = set()
    try:
        for s in config_parser.ConfigParser(text, _Names()):
            if isinstance(s, config_parser.BindingStatement):
                name = ".".join(
                    filter(None, ("/".join(filter(None, (s.scope, s.selector))), s.arg_name))
                )
                if name in seen:
                    raise InputError(f"{where} binds {name} twice: keep one")
                seen.add(name)
    except SyntaxError as error:
        raise InputError(f"{where}, line {error.lineno}: {error.msg.splitlines()[0]}") from error


def _check_types():
    for (_, selector), bound in gin.config._CONFIG.items():
        wrapped = gin.config._REGISTRY[selector].wrapped
        hints = _hints(wrapped)
        for name, value in bound.items():
            if name in hints and not _is_call(value):
                _check_type(f"{selector}.{name}", _resolve(value), hints[name])


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
        return _is_call(
            gin.config._CONFIG.get(("/".join(value.scopes), "gin.macro"), {}).get("value")
        )
    parts = value if isinstance(value, list | tuple) else ()
    return (reference and value.evaluate) or any(map(_is_call, parts))


def _resolve(value):
    return copy.deepcopy(value)  # gin resolves references and macros while copying


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _explain(error: Exception) -> str:
    """gin's message in one line, with the nearest name when one is misspelt."""
    line = _first_line(error)
    where = re.search(
        r"In (file \".*?\"|bindings string), line (\d+)", str(error).replace("\n", " ")
    )
    parameter = re.match(r"Configurable '(.+)' doesn't have a parameter named '(.+)'", line)
    if parameter:
        owner, name = parameter.groups()
        line = f"{owner} has no parameter {name!r}: {_near(name, _parameters(owner))}"
    unknown = re.match(r"No configurable matching '(.+?)'", line)
    if unknown:
        known = [s.rsplit(".", 1)[-1] for s, _ in gin.config._REGISTRY.items()]
        line = f"nothing is called {unknown[1]}: {_near(unknown[1].rsplit('.', 1)[-1], known)}"
    return f"{line} ({where[0]})" if where else line


def _parameters(selector: str) -> list[str]:
    matches = gin.config._REGISTRY.matching_selectors(selector)
    return list(_hints(gin.config._REGISTRY[matches[0]].wrapped)) if matches else []


def _near(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(dict.fromkeys(close))}?" if close else "check the spelling"
