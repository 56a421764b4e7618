"""Reads gin files: a file becomes an `Experiment`, a mistake becomes an error of one line.

gin itself reports unknown names, and `gin_errors` explains what it says. Mistakes that gin accepts
are found by `gin_text` (a parameter that is bound twice in one file), `gin_mistakes` (values of the
wrong type), `gin_references` (circles) and `gin_usage` (unused bindings).
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

import gin

from tf_shortrun.cli import gin_internals, gin_text, gin_usage
from tf_shortrun.cli.gin_data_only import DataOnly
from tf_shortrun.cli.gin_errors import explain, first_line
from tf_shortrun.cli.gin_mistakes import check_types
from tf_shortrun.cli.gin_references import bindings_of, check_ends, references
from tf_shortrun.cli.gin_sources import FLAG, Sources
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Eval, Picture
from tf_shortrun.core.words import near
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.training.configuration import of_data
from tf_shortrun.training.experiment import Experiment

# Parameters that do not decide a result: those of the experiment, and where data lie.
_UNDECISIVE = {
    f"Experiment.{name}"
    for name in (
        *("evals", "pictures", "num_steps", "log_every", "checkpoint_every", "watch_every"),
        "max_rollbacks",  # a result lists those that were made
    )
}
_PLACES = ("path", "data_dir")
_NUM_EXAMPLES = "NUM_EXAMPLES", "gin.macro"
_PACKAGE = Path(__file__).parents[1]
# The folders gin/ and reproduce/ are inside an installed package, but next to it in a checkout.
_ROOT = _PACKAGE if (_PACKAGE / "reproduce").is_dir() else _PACKAGE.parent
_sources = Sources()  # of the bindings that gin has now


def load(
    files: Sequence[str],
    bindings: Sequence[str] = (),
    data_only: bool = False,
    dataset: Dataset | None = None,
) -> Experiment:
    """Returns the `Experiment` that gin files and `--gin_bindings` describe.

    Args:
      data_only: as of `parse`.
      dataset: replaces the data that they name, which are not read then.

    Raises:
      InputError: as `parse` does, or if a binding is missing or does not fit.
    """
    parse(files, bindings, data_only)
    if not any(key[1].endswith("experiment.Experiment") for key in gin_internals.bindings()):
        raise InputError(
            f"{' '.join(files)} has no experiment: include a pin, "
            "e.g. with the line include 'reproduce/demo.gin'"
        )
    given = {}
    if dataset is not None:
        given = {"dataset": dataset}
        for selector in gin_internals.matching("experiment.Experiment"):
            gin_internals.unbind(selector, "dataset")
    with explained():
        experiment = gin.get_configurable(Experiment)(**given)
    _count(experiment.dataset)
    return experiment


def _count(dataset: Dataset):
    """Sets the macro NUM_EXAMPLES, if it is 0, to the number of training examples.

    It is for learners that remember something of each, and which are built after this.
    """
    bound = gin_internals.bindings().get(_NUM_EXAMPLES, {})
    if bound.get("value") == 0:
        with gin.unlock_config():
            gin.bind_parameter("/".join(_NUM_EXAMPLES) + ".value", len(dataset.train.images))


def parse(files: Sequence[str], bindings: Sequence[str] = (), data_only: bool = False) -> None:
    """Replaces all gin bindings by those of these files and of `--gin_bindings`.

    Later files and bindings override earlier ones. Paths, including those of includes, are
    relative to the working directory. A file that is not there is read from this package.

    Args:
      data_only: whether the settings may only name parts of this package, see `gin_data_only`.

    Raises:
      InputError: if a file or binding is wrong; the message is one line.
    """
    global _sources
    paths = [_find(file) for file in files]
    check = _checks(paths) if data_only else gin_text.check
    check("\n".join(bindings), FLAG)
    _sources = Sources(check)
    gin.clear_config(clear_constants=True)
    gin_internals.look_in(str(_ROOT))
    try:
        with gin_internals.parsing(_sources.read, _sources.note):
            gin.parse_config_files_and_bindings(paths, list(bindings))
        check_ends()
        check_types()
    except InputError as error:
        raise InputError(first_line(error)) from error
    except (ValueError, SyntaxError, ImportError, OSError, AttributeError, NameError) as error:
        raise InputError(explain(error)) from error
    except RecursionError as error:
        raise InputError("includes or macros lead too deep: use fewer in a row") from error


@contextlib.contextmanager
def explained():
    """Turns errors in calls by gin into an `InputError` of one line.

    Examples are a value that does not fit, or a missing binding.
    """
    try:
        yield
    except InputError as error:
        raise InputError(first_line(error)) from error
    except (ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        if "In call to configurable" not in str(error):
            raise  # not about a binding
        raise InputError(explain(error)) from error


def check_used():
    """Raises InputError if a binding was not used. Call it when everything is built."""
    gin_usage.check(_sources)


def configuration(experiment: Experiment) -> dict[str, str]:
    """Returns all that decides a result: bindings, their values as text by name, and the data.

    Left out are those of evals and pictures, but for the eval of the validation, of how often
    something is written, of how many steps a run makes or may repeat, and of where data lie: a
    digest of the data stands for them.
    """
    validating = _validating()
    decisive = {
        _short(scope, selector, name): repr(value)
        for (scope, selector), bound in gin_internals.bindings().items()
        for name, value in bound.items()
        if (scope, selector, name) in validating
        or not _only_judges(gin_internals.wrapped(selector))
        if name not in _PLACES and _short(scope, selector, name) not in _UNDECISIVE
    }
    return decisive | of_data(experiment)


def _validating() -> set[tuple[str, str, str]]:
    """Returns the bindings of the eval that chooses the best state."""
    bound = [b.get("validation") for (_, s), b in gin_internals.bindings().items()
             if s.endswith("experiment.Experiment")]  # fmt: skip
    return {b for r in references(bound) for b in bindings_of(r.config_key)}


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


def _checks(paths: Sequence[str]) -> Callable[[str, str], None]:
    rules = DataOnly(_ROOT, paths)

    def check(text: str, where: str):
        gin_text.check(text, where)
        rules.check(text, where)

    return check


def _find(file: str) -> str:
    for path in (Path(file), _ROOT / file):
        if path.is_file():
            return str(path)
    ours = [*sorted(_ROOT.glob("reproduce/**/*.gin")), *sorted(_ROOT.glob("gin/**/*.gin"))]
    known = [path.relative_to(_ROOT).as_posix() for path in ours]
    raise InputError(f"no gin file {file}: {near(file, known)}")
