"""Access to the state of gin. Only this file uses the private attributes of gin.

A binding is a value for one parameter of one configurable, in a scope ("" for none). The keys below
are (scope, selector), where the selector is the name under which gin registered the configurable.
"""

import contextlib
import os
from collections.abc import Callable, Mapping

import gin

Key = tuple[str, str]


@contextlib.contextmanager
def parsing(read: Callable, note: Callable[[tuple[str, str, str], object], None]):
    """Lets gin open files by `read`, and calls `note(name, value)` for each binding, in the block.

    Includes are read as files only, since `reproduce` would look like a Python package.
    """
    bind = gin.config.bind_parameter

    def bind_and_note(name, value):
        bind(name, value)
        note(gin.config.ParsedBindingKey.parse(name).scope_selector_arg, value)

    gin.config._FILE_READERS[:] = [(read, os.path.isfile)]
    gin.config.bind_parameter = bind_and_note
    try:
        yield
    finally:
        gin.config.bind_parameter = bind


def look_in(folder: str):
    """Makes gin look for files in the working directory, then in `folder`."""
    gin.config._LOCATION_PREFIXES[:] = ["", folder]


def bindings() -> Mapping[Key, Mapping[str, object]]:
    """Returns every binding of the files and of the command line."""
    return gin.config._CONFIG


def unbind(selector: str, name: str):
    """Forgets every binding of a parameter: gin calls what is bound even if the caller gives it."""
    for (_, bound_to), bound in gin.config._CONFIG.items():
        if bound_to == selector:
            bound.pop(name, None)


def parameters_read() -> Mapping[Key, Mapping[str, object]]:
    """Returns every parameter that gin passed to a call so far, by the scope of the call."""
    return gin.config._OPERATIVE_CONFIG


def selectors() -> list[str]:
    """Returns the selectors of all configurables."""
    return [selector for selector, _ in gin.config._REGISTRY.items()]


def matching(selector: str) -> list[str]:
    """Returns the full selectors that end with `selector`."""
    return gin.config._REGISTRY.matching_selectors(selector)


def wrapped(selector: str) -> Callable:
    """Returns the function or class that gin configures under `selector`."""
    return gin.config._REGISTRY[selector].wrapped
