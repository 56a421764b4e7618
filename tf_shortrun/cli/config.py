"""Everything gin: a file becomes an `Experiment`, mistakes become one line.

gin itself catches unknown names. What it lets pass is caught here and in
`gin_mistakes`: bindings that nobody uses, values of the wrong type, and one parameter
bound twice in one file.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import gin
import tensorflow as tf

from tf_shortrun.cli import gin_internals
from tf_shortrun.cli.gin_mistakes import check_bound_once, check_types, explain, first_line, near
from tf_shortrun.core.errors import InputError
from tf_shortrun.training.experiment import Experiment

_PACKAGE = Path(__file__).parents[1]
# The folders gin/ and reproduce/ lie in an installed package, but beside that of a checkout.
_ROOT = _PACKAGE if (_PACKAGE / "reproduce").is_dir() else _PACKAGE.parent


def load(files: Sequence[str], bindings: Sequence[str] = (), kind: Callable = Experiment):
    """The `Experiment` that gin files and `--gin_bindings` describe, or the `Study`.

    Later files and bindings override earlier ones. Paths, also of includes, are relative
    to the working directory; what is not there is taken from this package.

    Raises:
      InputError: one line on what is wrong.
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
    with explained():
        return gin.get_configurable(kind)()


@contextlib.contextmanager
def explained():
    """Errors of what gin calls, in one line: a value that does not fit, a missing binding."""
    try:
        yield
    except InputError as error:
        raise InputError(first_line(error)) from error
    except (ValueError, TypeError, RuntimeError) as error:
        if "In call to configurable" not in str(error):
            raise  # not about a binding
        raise InputError(explain(error)) from error


def check_used():
    """Raises InputError if a binding was not used. Call when everything is built."""
    later = {
        reference.configurable.selector for reference in _references() if not reference.evaluate
    }
    unused = [
        f"{scope + '/' if scope else ''}{selector}.{name}"
        for (scope, selector), bound in gin_internals.bindings().items()
        for name in bound
        if not _is_read(scope, selector, name)
        and selector not in later  # a function handed over is called when it is needed
    ]
    if unused:
        raise InputError(f"nobody uses the binding {', '.join(sorted(unused))}: remove it")


def _is_read(scope: str, selector: str, name: str) -> bool:
    """Whether some call took the value of this binding.

    A call in the scope a/b takes the binding of a/b, else that of a, else the unscoped one.
    """
    calls = (
        called
        for (called, s), read in gin_internals.parameters_read().items()
        if s == selector and name in read
    )
    return any(scope == _binding_scope(called, selector, name) for called in calls)


def _binding_scope(called: str, selector: str, name: str) -> str | None:
    """The scope of the binding that a call in the scope `called` takes; None for a default."""
    parts = called.split("/") if called else []
    for length in range(len(parts), -1, -1):
        scope = "/".join(parts[:length])
        if name in gin_internals.bindings().get((scope, selector), {}):
            return scope
    return None


def _references() -> list:
    """Every `@f` and `@f()` that some binding holds."""
    values = [value for bound in gin_internals.bindings().values() for value in bound.values()]
    leaves = tf.nest.flatten(values)
    return [leaf for leaf in leaves if isinstance(leaf, gin.config.ConfigurableReference)]


def operative() -> str:
    """Every parameter of everything that was built, defaults included, as a gin file."""
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
