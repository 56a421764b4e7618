"""A program that travels, with its state: three files of one name, run by jax and NumPy alone.

.hlo.xz  arguments, *state -> *results, *changed state (`lower_function` of tools/lower.py)
.json    names of results, places in the state that change, and a recipe for each of its arrays
.npz     the arrays that have no recipe, by their places (`tools/packed.py`)
"""

import json
import lzma
from pathlib import Path

import jax
import numpy as np

from tools import packed
from tools.run_lowered import Step


class Program:
    """The compiled program and its state on the first device: `program(*arguments)`.

    Attributes:
      about: what the .json says.
      state: arrays, in the order of the program.
    """

    def __init__(self, place: Path):
        """Reads and compiles the program at `place`, a path without suffix."""
        self._step = Step(lzma.decompress(place.with_suffix(".hlo.xz").read_bytes()))
        self.about, start = initial_state(place)
        self.state = self._step.put(start)

    def put(self, array: np.ndarray) -> jax.Array:
        return self._step.put([array])[0]

    def __call__(self, *arguments: np.ndarray | jax.Array) -> list[jax.Array]:
        """Returns the results, at once: the device may still compute them."""
        num = len(self.about["results"])
        outputs = self._step([*self._step.put(list(arguments)), *self.state])
        for place, value in zip(self.about["changed"], outputs[num:], strict=True):
            self.state[place] = value
        return outputs[:num]


def initial_state(place: Path) -> tuple[dict, list[np.ndarray]]:
    """Returns what the .json says, and the arrays that the program begins with."""
    about = json.loads(place.with_suffix(".json").read_text())
    with np.load(place.with_suffix(".npz")) as kept:
        return about, [
            packed.make(recipe, [about["seed"], i]) if recipe else kept[f"{i:04d}"]
            for i, recipe in enumerate(about["start"])
        ]
