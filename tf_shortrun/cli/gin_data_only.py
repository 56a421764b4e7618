"""Settings as data: gin files of somebody else that name only parts of this package.

A gin file is a program: it imports any module and calls any function. Under --data_only_settings
the text of each file is checked first, by the parser that gin uses, before anything of it is
imported or called. It may name what gin files of this package name, and optimizers, schedules and
initializers of Keras; values are numbers, texts, lists and tuples. No dictionary, because Keras
makes objects of them.
"""

import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gin import config_parser

from tf_shortrun.cli import gin_text
from tf_shortrun.core.errors import InputError

_PARTS_OF_KERAS = re.compile(r"keras\.(optimizers|optimizers\.schedules|initializers)\.[A-Z]\w*")
_GIN = "__gin__.dynamic_registration"
_PLACES_TO_WRITE = ("cache_dir",)  # parameters that say where files are written


class DataOnly:
    """The rules for given files. Includes may lie in their folders, and in those of the package.

    Args:
      root: the folder that has the folders gin/ and reproduce/ of the package.
      files: the gin files that are given.
    """

    def __init__(self, root: Path, files: Sequence[str]):
        self._root = root
        own = [root / "gin", root / "reproduce"]
        self._folders = [path.resolve() for path in (*own, *(Path(f).parent for f in files))]

    def check(self, text: str, where: str):
        """Checks the text of a gin file or of bindings.

        Raises:
          InputError: if something is not allowed; the message names file, line, and what it is.
        """
        symbols: dict[str, str] = {}
        for statement, references in _read(text, where):
            refused = self._refused(statement, references, symbols)
            if refused:
                line = statement.location.line_num
                raise InputError(
                    f"{where}, line {line}: {refused} is not allowed by --data_only_settings, only "
                    "parts of this package and optimizers of Keras"
                )

    def _refused(self, statement, references: list[str], symbols: dict[str, str]) -> str:
        """Returns what a statement does that is not allowed; "" if all is. Keeps its import."""
        if isinstance(statement, config_parser.ImportStatement):
            if not self._is_known_module(statement):
                return f"import of {statement.module.removeprefix('__gin__.')}"
            symbols |= _symbol(statement)
        if isinstance(statement, config_parser.IncludeStatement):
            inside = self._is_inside(statement.filename)
            return "" if inside else f"include of {statement.filename!r} from another folder"
        names = [*references, *_configured(statement)]
        unknown = [name for name in names if not self._is_known(name, symbols)]
        return unknown[0] if unknown else _refused_value(statement)

    def _is_known_module(self, statement) -> bool:
        if statement.module == "keras":
            return not statement.alias
        modules = {name.rpartition(".")[0] for name in named(self._root)}
        return statement.module == _GIN or statement.module in modules - {"keras"}

    def _is_known(self, name: str, symbols: dict[str, str]) -> bool:
        """Returns whether a name is that of an allowed part.

        Without an import of its first word, gin looks for what ends with the name.
        """
        known = named(self._root)
        first, dot, rest = name.partition(".")
        if first in symbols:
            full = f"{symbols[first]}{dot}{rest}"
            return full in known or bool(_PARTS_OF_KERAS.fullmatch(full))
        return any(f".{full}".endswith(f".{name}") for full in known)

    def _is_inside(self, file: str) -> bool:
        """Returns whether an include, looked up as gin does, is in one of the folders."""
        found = next((p for p in (Path(file), self._root / file) if p.is_file()), None)
        return found is None or any(f in found.resolve().parents for f in self._folders)


@functools.cache
def named(root: Path) -> frozenset[str]:
    """Returns the full names of all functions and classes in the gin files of this package."""
    found = set()
    for path in (*root.glob("gin/**/*.gin"), *root.glob("reproduce/**/*.gin")):
        symbols: dict[str, str] = {}
        for statement, references in _read(gin_text.read(str(path)), str(path)):
            if isinstance(statement, config_parser.ImportStatement):
                symbols |= _symbol(statement)
            for name in (*references, *_configured(statement)):
                first, _, rest = name.partition(".")
                found.add(f"{symbols[first]}.{rest}")
    return frozenset(found)


def _read(text: str, where: str) -> Iterator[tuple[object, list[str]]]:
    """Yields each statement with the names of what it refers to, without their scopes."""
    names = gin_text.Names()
    for statement in gin_text.statements(text, where, names):
        yield statement, [name.rpartition("/")[2] for name in names.references]
        names.references.clear()


def _symbol(statement) -> dict[str, str]:
    """Returns the word that an import binds in its file, and the module that it stands for."""
    module = statement.module
    is_whole = statement.is_from or statement.alias
    return {statement.bound_name(): module if is_whole else module.partition(".")[0]}


def _configured(statement) -> list[str]:
    """Returns the name of what a statement configures; nothing for a macro."""
    is_block = isinstance(statement, config_parser.BlockDeclaration)
    is_binding = isinstance(statement, config_parser.BindingStatement) and statement.arg_name
    return [statement.selector] if is_block or is_binding else []


def _refused_value(statement) -> str:
    if not isinstance(statement, config_parser.BindingStatement):
        return ""
    if _has_dictionary(statement.value):
        return "a dictionary"
    writes = statement.arg_name in _PLACES_TO_WRITE and statement.value is not None
    return f"{statement.arg_name}, a place to write to," if writes else ""


def _has_dictionary(value) -> bool:
    parts = value if isinstance(value, list | tuple) else ()
    return isinstance(value, dict) or any(map(_has_dictionary, parts))
