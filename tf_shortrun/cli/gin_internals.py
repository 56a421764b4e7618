"""What gin holds: the only file that touches its private attributes.

A binding is a value for one parameter of one configurable, in a scope ("" for none). Keys below are
(scope, selector), the selector as gin has it registered.
"""

import os
from collections.abc import Callable, Mapping

import gin

Key = tuple[str, str]


def read_files_alone():
    """An include names a file, never a Python package: a folder `reproduce` would look like one."""
    gin.config._FILE_READERS[:] = [(open, os.path.isfile)]


def bindings() -> Mapping[Key, Mapping[str, object]]:
    """Every binding of the files and of the command line."""
    return gin.config._CONFIG


def parameters_read() -> Mapping[Key, Mapping[str, object]]:
    """Every parameter that gin gave to a call so far, by the scope of the call."""
    return gin.config._OPERATIVE_CONFIG


def selectors() -> list[str]:
    """Of everything that can be bound."""
    return [selector for selector, _ in gin.config._REGISTRY.items()]


def matching(selector: str) -> list[str]:
    """Full selectors that end in this one."""
    return gin.config._REGISTRY.matching_selectors(selector)


def wrapped(selector: str) -> Callable:
    """The function or class that is configured."""
    return gin.config._REGISTRY[selector].wrapped
