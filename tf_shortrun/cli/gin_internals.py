"""Access to the state of gin. Only this file uses the private attributes of gin.

A binding is a value for one parameter of one configurable, in a scope ("" for none). The keys below
are (scope, selector), where the selector is the name under which gin registered the configurable.
"""

import os
from collections.abc import Callable, Mapping

import gin

Key = tuple[str, str]


def read_files_alone():
    """Makes gin read includes as files only, since `reproduce` would look like a Python package."""
    gin.config._FILE_READERS[:] = [(open, os.path.isfile)]


def bindings() -> Mapping[Key, Mapping[str, object]]:
    """Returns every binding of the files and of the command line."""
    return gin.config._CONFIG


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
