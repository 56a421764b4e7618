"""Writes the training step of a pin as an XLA program, which runs without TensorFlow.

    python -m tools.lower --gin_file=reproduce/celeba32.gin --out=FOLDER
    python -m tools.run_lowered FOLDER              (needs jax and numpy only)

FOLDER has everything that another machine needs, a few megabytes plus the weights:

    step.hlo       serialised HLO: image, seed, *state -> *metrics, *changed state
    arguments.npz  image [B, H, W, C] of noise, seed [2], and the state, "0000" ... in order
    expected.npz   the outputs of TensorFlow for these arguments after one step, in order
    step.json      names of the metrics, and the index of the state that each other output replaces
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tools import command
from tools.benchmark import NOISE, images
from tools.measure import SEED

# The first steps of Adam divide by gradients that may be rounding errors only.
WARM_UP = 3


class Lowered(NamedTuple):
    """A function as a program: arguments, *state -> *results sorted by name, *changed state.

    program: serialised HLO.   results: their names.   state: the variables that it takes, in order.
    changed: the places in `state` of the variables that it returns, in order.   traced: the
      function in TensorFlow.
    """

    program: bytes
    results: list[str]
    state: list[tf.Variable]
    changed: list[int]
    traced: Callable


def lower_function(function: Callable, learner, *arguments) -> Lowered:
    """Returns the program of `function(*arguments)`, which reads and assigns the learner's state.

    Nothing is executed.

    Raises:
      InputError: as `refuse_constants` does.
    """
    compiled = tf.function(function, jit_compile=True, autograph=False)
    traced = compiled.get_concrete_function(*arguments)
    compiler_ir = compiled.experimental_get_compiler_ir(*arguments)
    text = compiler_ir(stage="hlo")
    refuse_constants(text)
    # XLA writes an assigned variable over the argument that it was.
    places = re.findall(r"\{\d+\}: \((\d+), \{\}, may-alias\)", text.partition("\n")[0])
    changed = [int(place) - len(arguments) for place in places]
    program = compiler_ir(stage="hlo_serialized")
    results = sorted(traced.structured_outputs)
    return Lowered(program, results, _captured(traced, learner), changed, traced)


def lower(experiment, learner, folder: Path) -> None:
    """Writes the folder. The learner takes a few steps, which change its state."""
    image, seed = images(experiment, learner)["image"], tf.constant(SEED)

    def update(image, seed):
        return learner.train_step({"image": image}, seed)

    step = lower_function(update, learner, image, seed)
    for k in range(WARM_UP):
        step.traced(image, noise.fold(noise.stream(seed, "warm-up"), k))
    before = [v.numpy() for v in step.state]
    metrics = step.traced(image, seed)
    after = [step.state[i].numpy() for i in step.changed]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "step.hlo").write_bytes(step.program)
    _write(folder / "arguments.npz", before, image=image.numpy(), seed=SEED)
    flat = tf.nest.flatten(metrics)  # sorted by name, as the program returns them
    _write(folder / "expected.npz", [m.numpy() for m in flat] + after)
    names = {"metrics": step.results, "changed": step.changed}
    (folder / "step.json").write_text(json.dumps(names) + "\n")


def refuse_constants(text: str) -> None:
    """Checks in the text of a program that every variable is an argument.

    Raises:
      InputError: if the value of a variable is a constant in the program. TensorFlow makes it a
        constant if a gradient needs the shape of the value, e.g. the gradient of a slice.
    """
    if re.search(r"%ReadVariableOp[\w.]* = \S+ constant\(", text):
        raise InputError(
            "a weight became a constant of the program: write a custom gradient for its reader"
        )


def _captured(traced, learner) -> list[tf.Variable]:
    """Returns the variables of a function in the order of the arguments of its program."""
    # A graph does not list variables that only op kernels access, such as the moments of Adam.
    kept = [v for part in learner.state.values() for v in getattr(part, "variables", [part])]
    kept = [v.value if isinstance(v, keras.Variable) else v for v in kept]
    by_handle = {id(v.handle): v for v in (*kept, *traced.graph.variables)}
    return [by_handle[id(handle)] for handle in traced.captured_inputs]


def _write(file: Path, arrays: list, **named) -> None:
    np.savez(file, **named, **{f"{i:04d}": x for i, x in enumerate(arrays)})


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("lower", __doc__)
    parser.add_argument("--gin_file", action="append", required=True, help="its data become noise")
    parser.add_argument("--gin_bindings", action="append", default=[], help="override gin files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the program")
    return command.run(parser, _lower, arguments)


def _lower(options) -> None:
    experiment = config.load([*options.gin_file, NOISE], options.gin_bindings)
    learner = experiment.build(tf.distribute.get_strategy())
    lower(experiment, learner, options.out)


if __name__ == "__main__":
    sys.exit(main())
