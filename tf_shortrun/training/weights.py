"""The weights of a learner in one small file, to pass on: nothing of optimizers, no pickle."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import InputError
from tf_shortrun.training import variables

FILE = "weights.npz"


def write(learner: Learner, folder: Path) -> Path:
    """Writes the variables of a learner, but not those of its optimizers; returns the path."""
    named = _owned(learner)
    arrays: dict[str, Any] = {f"{i:03d} {name}": np.asarray(v) for i, (name, v) in named}
    np.savez_compressed(folder / FILE, **arrays)
    return folder / FILE


def read(learner: Learner, folder: Path) -> None:
    """Sets the variables of a learner to those that `write` has written.

    Raises:
      InputError: if the file cannot be read or belongs to another configuration.
    """
    path, owned = folder / FILE, [variable for _, (_, variable) in _owned(learner)]
    try:
        with np.load(path) as found:  # refuses pickles
            # By place: Keras gives a layer another name when there were others before it.
            arrays = [found[name] for name in sorted(found)]
        if [a.shape for a in arrays] != [tuple(v.shape) for v in owned]:
            raise ValueError("other shapes of variables")
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} does not fit operative.gin beside it: {error}") from error
    for variable, array in zip(owned, arrays, strict=True):
        variable.assign(array)


def _owned(learner: Learner) -> Iterator:
    """Returns places and pairs of name and variable."""
    others = variables.optimizers(learner.state)
    parts = {name: part for name, part in learner.state.items() if part not in others}
    return enumerate(variables.named(parts))
