"""The variables of a learner, by names that a reader finds in its networks."""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

Named = list[tuple[str, tf.Variable]]
Values = list[tuple[tf.Variable, np.ndarray]]


def optimizers(state: Mapping) -> list[keras.optimizers.Optimizer]:
    """Returns the optimizers among the parts of a learner."""
    return [part for part in state.values() if isinstance(part, keras.optimizers.Optimizer)]


def named(state: Mapping) -> Named:
    """Returns all variables of the parts of a learner, those of optimizers last.

    A name has the part and the path in it, e.g. `model: decoder/dense/kernel`. What an optimizer
    keeps for a weight is named after the weight, e.g. `momentum of model: decoder/dense/kernel`.
    """
    owned = [
        (_name(name, variable), variable)
        for name, part in state.items()
        if not isinstance(part, keras.optimizers.Optimizer)
        for variable in getattr(part, "variables", [part])
    ]
    names = {id(variable): name for name, variable in owned}
    kept = [
        (_name_of_kept(optimizer, variable, names), variable)
        for optimizer in optimizers(state)
        for variable in optimizer.variables
    ]
    return owned + kept


def first_not_finite(state: Mapping) -> str | None:
    """Returns the name of the first variable with a number that is not finite, None without one.

    It says how many others there are.
    """
    bad = [name for name, variable in named(state) if not is_finite(variable.numpy())]
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    return f"{bad[0]}{more}" if bad else None


def values(state: Mapping) -> Values:
    """Returns a copy of the values of all variables, in memory."""
    return [(variable, np.array(variable)) for _, variable in named(state)]


def assign(copied: Values):
    """Sets variables to the values that they had when they were copied."""
    for variable, value in copied:
        variable.assign(value)


def is_finite(value) -> bool:
    """Returns whether all numbers are finite; integers always are."""
    return not np.issubdtype(np.asarray(value).dtype, np.floating) or np.isfinite(value).all()


def _name(part: str, variable) -> str:
    # What is not of Keras has no name of its own.
    return f"{part}: {variable.path}" if isinstance(variable, keras.Variable) else part


def _name_of_kept(optimizer, variable: keras.Variable, names: Mapping[int, str]) -> str:
    # Keras names a variable of an optimizer by the path of its weight and a word.
    paths = {_flat(weight): names[id(weight)] for weight in optimizer._trainable_variables}
    owners = [path for path in paths if variable.name.startswith(f"{path}_")]
    if not owners:
        return variable.path
    path = max(owners, key=len)
    return f"{variable.name.removeprefix(f'{path}_')} of {paths[path]}"


def _flat(weight) -> str:
    return getattr(weight, "path", weight.name).replace("/", "_").replace(":", "_")
