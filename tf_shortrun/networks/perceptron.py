"""Plain networks of dense layers."""

from collections.abc import Callable, Sequence

import keras


def perceptron(
    units: Sequence[int], outputs: int, activation: str | Callable, last: str | Callable = "linear"
) -> keras.Model:
    """[B, ...] -> [B, outputs]: hidden layers of `units`, then a layer with activation `last`."""
    hidden = [keras.layers.Dense(n, activation=activation) for n in units]
    final = keras.layers.Dense(outputs, activation=last)
    return keras.Sequential([keras.layers.Flatten(), *hidden, final])
