"""Plain networks of dense layers."""

from collections.abc import Callable, Sequence

import keras


def perceptron(
    units: Sequence[int], outputs: int, activation: str | Callable, last: str | Callable = "linear"
) -> keras.Model:
    """Returns a network [B, ...] -> [B, outputs] of dense layers.

    It has hidden layers of widths `units`, then an output layer with the activation `last`.
    """
    hidden = [keras.layers.Dense(n, activation=activation) for n in units]
    final = keras.layers.Dense(outputs, activation=last)
    return keras.Sequential([keras.layers.Flatten(), *hidden, final])
