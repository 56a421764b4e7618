"""Reads gin files: a file becomes an `Experiment`, a mistake becomes an error of one line.

gin itself reports unknown names. This module and `gin_mistakes` report the mistakes that gin
accepts: unused bindings, values of the wrong type, and a parameter that is bound twice in
one file.
"""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import gin
import tensorflow as tf

from tf_shortrun.cli import gin_internals
from tf_shortrun.cli.gin_mistakes import check_bound_once, check_types, explain, first_line, near
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Eval, Picture
from tf_shortrun.training.configuration import of_data
from tf_shortrun.training.experiment import Experiment

# Parameters that do not decide a result: those of the experiment, and where data lie.
_UNDECISIVE = {
    f"Experiment.{name}"
    for name in ("evals", "pictures", "num_steps", "log_every", "checkpoint_every", "watch_every")
}
_PLACES = ("path", "data_dir")
_PACKAGE = Path(__file__).parents[1]
# The folders gin/ and reproduce/ are inside an installed package, but next to it in a checkout.
_ROOT = _PACKAGE if (_PACKAGE / "reproduce").is_dir() else _PACKAGE.parent


def load(files: Sequence[str], bindings: Sequence[str] = ()) -> Experiment:
    """Returns the `Experiment` that gin files and `--gin_bindings` describe.

    Raises:
      InputError: as `parse` does, or if a binding is missing or does not fit.
    """
    parse(files, bindings)
    with explained():
        return gin.get_configurable(Experiment)()


def parse(files: Sequence[str], bindings: Sequence[str] = ()) -> None:
    """Replaces all gin bindings by those of these files and of `--gin_bindings`.

    Later files and bindings override earlier ones. Paths, including those of includes, are
    relative to the working directory. A file that is not there is read from this package.

    Raises:
      InputError: if a file or binding is wrong; the message is one line.
    """
    gin.clear_config(clear_constants=True)
    gin.add_config_file_search_path(str(_ROOT))
    gin_internals.read_files_alone()
    for file in files:
        check_bound_once(_read(file), f"{file}")
    check_bound_once("\n".join(bindings), "--gin_bindings")
    try:
        gin.parse_config_files_and_bindings([_find(f) for f in files], list(bindings))
    except (ValueError, SyntaxError, ImportError, OSError, AttributeError) as error:
        raise InputError(explain(error)) from error
    check_types()


@contextlib.contextmanager
def explained():
    """Turns errors in calls by gin into an `InputError` of one line.

    Examples are a value that does not fit, or a missing binding.
    """
    try:
        yield
    except InputError as error:
        raise InputError(first_line(error)) from error
    except (ValueError, TypeError, RuntimeError) as error:
        if "In call to configurable" not in str(error):
            raise  # not about a binding
        raise InputError(explain(error)) from error


def check_used():
    """Raises InputError if a binding was not used. Call it when everything is built."""
    later = {
        reference.configurable.selector for reference in _references() if not reference.evaluate
    }
    unused = [
        f"{scope + '/' if scope else ''}{selector}.{name}"
        for (scope, selector), bound in gin_internals.bindings().items()
        for name in bound
        if not _is_read(scope, selector, name)
        and selector not in later  # a function passed as a value may be called only later
    ]
    if unused:
        raise InputError(f"nothing uses the binding {', '.join(sorted(unused))}: remove it")


def _is_read(scope: str, selector: str, name: str) -> bool:
    """Returns whether some call used the value of this binding.

    A call in the scope a/b uses the binding of a/b, else that of a, else the unscoped binding.
    """
    calls = (
        called
        for (called, s), read in gin_internals.parameters_read().items()
        if s == selector and name in read
    )
    return any(scope == _binding_scope(called, selector, name) for called in calls)


def _binding_scope(called: str, selector: str, name: str) -> str | None:
    """Returns the scope of the binding that a call in the scope `called` uses; None if unbound."""
    parts = called.split("/") if called else []
    for length in range(len(parts), -1, -1):
        scope = "/".join(parts[:length])
        if name in gin_internals.bindings().get((scope, selector), {}):
            return scope
    return None


def _references() -> list:
    """Returns every `@f` and `@f()` in the values of all bindings."""
    values = [value for bound in gin_internals.bindings().values() for value in bound.values()]
    leaves = tf.nest.flatten(values)
    return [leaf for leaf in leaves if isinstance(leaf, gin.config.ConfigurableReference)]


def configuration(experiment: Experiment) -> dict[str, str]:
    """Returns all that decides a result: bindings, their values as text by name, and the data.

    Left out are those of evals and pictures, of how often something is written, of how many steps
    a run makes, and of where data lie: a digest of the data stands for them.
    """
    decisive = {
        _short(scope, selector, name): repr(value)
        for (scope, selector), bound in gin_internals.bindings().items()
        if not _only_judges(gin_internals.wrapped(selector))
        for name, value in bound.items()
        if name not in _PLACES and _short(scope, selector, name) not in _UNDECISIVE
    }
    return decisive | of_data(experiment)


def _only_judges(thing) -> bool:
    """Returns whether this is an eval or a picture, or a part that only they use."""
    judges = can(thing, Eval) or can(thing, Picture)
    return judges or thing.__module__.startswith(("tf_shortrun.evals", "tf_shortrun.data.masks"))


def _short(scope: str, selector: str, name: str) -> str:
    """Returns a name such as energy/Adam.learning_rate; that of a macro is its own."""
    if selector == "gin.macro":
        return scope
    return "/".join(filter(None, [scope, f"{selector.rpartition('.')[2]}.{name}"]))


def operative() -> str:
    """Returns all parameters of all calls so far, including defaults, as the text of a gin file."""
    return gin.operative_config_str()


def _find(file: str) -> str:
    for path in (Path(file), _ROOT / file):
        if path.is_file():
            return str(path)
    ours = [*sorted(_ROOT.glob("reproduce/**/*.gin")), *sorted(_ROOT.glob("gin/**/*.gin"))]
    known = [path.relative_to(_ROOT).as_posix() for path in ours]
    raise InputError(f"no gin file {file}: {near(file, known)}")


def _read(file: str) -> str:
    try:
        return Path(_find(file)).read_text()
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not a text file: give a gin file") from error
