"""Makes a folder that trains where there is no TensorFlow and no network, e.g. for ten minutes.

    python -m tools.travel FOLDER '*_cifar10_*_bfloat16'          runs of tools/ten_minutes.py
    cd FOLDER; python -m tools.train_lowered . --seconds=150 --out=OUT  (jax and NumPy only)
    python -m tools.arrive OUT/<run>.json WORKDIR                 evaluates here what came back

FOLDER may have 60 MB, and has far less than what it trains:

    runs/<run>.*  the update as an XLA program (`tools/program.py`): images, index, step -> metrics.
                  Its noise is that of our own training with this seed.
    data/         the training images, once for all runs that share them
    tools/        what runs there
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import fnmatch
import json
import lzma
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Adapts, Staged, StartsAtMean
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.words import near
from tf_shortrun.data.arrays import to_float
from tf_shortrun.reporting import provenance
from tf_shortrun.training import variables
from tools import command, packed, ten_minutes
from tools.code_paths import split
from tools.lower import Lowered, lower_function

MOST_BYTES = 60_000_000
MODULES = ("__init__", "packed", "program", "run_lowered", "train_lowered")
THERE = tuple(f"tools/{module}.py" for module in MODULES)


def travel(folder: Path, runs: Mapping[str, Sequence[str]]) -> None:
    """Writes the folder of some runs: their names, and gin files and bindings.

    Raises:
      InputError: if the folder exists or becomes too large, or a run is of several programs.
    """
    begin(folder, THERE)
    for name in ("runs", "data"):
        (folder / name).mkdir()
    for name, settings in runs.items():
        _add(folder, name, list(settings))
    check_size(folder)


def begin(folder: Path, files: Sequence[str]) -> None:
    """Makes the folder, with files of this checkout.

    Raises:
      InputError: if it exists.
    """
    if folder.exists():
        raise InputError(f"{folder} exists: choose a new folder, or delete it")
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(provenance.CHECKOUT / file, folder / file)


def check_size(folder: Path) -> None:
    """Raises InputError if the folder is too large to travel."""
    sizes = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    if sum(sizes.values()) > MOST_BYTES:
        largest = ", ".join(sorted(sizes, key=sizes.get, reverse=True)[:3])
        raise InputError(
            f"{folder} has {sum(sizes.values()):,} bytes, {MOST_BYTES:,} may travel: choose fewer "
            f"runs or images (the largest files are {largest})"
        )


def build(settings: Sequence[str]):
    """Returns an experiment and its learner, as training begins with them."""
    experiment = config.load(*split(list(settings)))
    with config.explained():
        learner = experiment.build(tf.distribute.get_strategy())
    if can(learner, StartsAtMean):
        learner.start_at(experiment.dataset.mean_colour)
    return experiment, learner


def _add(folder: Path, name: str, settings: list[str]) -> None:
    experiment, learner = build(settings)
    if can(learner, Staged) or (experiment.adapt_every and can(learner, Adapts)):
        raise InputError(f"{name} has more than one program: choose a run without stages and adapt")
    images = experiment.trained_on.train.images
    step = lowered(experiment, learner, images)
    data = folder / "data" / f"{experiment.dataset.name}_{experiment.dataset.digest}.xz"
    if not data.exists():
        data.write_bytes(packed.pack(images))
    write(
        folder / "runs" / name,
        step,
        seed=experiment.seed,
        settings=settings,
        commit=provenance.commit(),
        data=[data.name, list(images.shape), str(images.dtype)],
        batch_size=experiment.examples_per_update,
        log_every=experiment.log_every,
        weights=_weights(learner, step),
    )


def write(place: Path, step: Lowered, **about) -> None:
    """Writes the three files of `tools/program.py`, with `about` in the .json."""
    place.with_suffix(".hlo.xz").write_bytes(lzma.compress(step.program))
    arrays = [variable.numpy() for variable in step.state]
    recipes = [packed.describe(array) for array in arrays]
    kept = {f"{i:04d}": arrays[i] for i, recipe in enumerate(recipes) if recipe is None}
    np.savez_compressed(place.with_suffix(".npz"), **kept)
    about |= {"results": step.results, "changed": step.changed, "start": recipes}
    place.with_suffix(".json").write_text(json.dumps(about) + "\n")


def lowered(experiment, learner, images: np.ndarray) -> Lowered:
    """Returns the program of an update on images [N, ...], at index [B], in that step."""

    def update(images, index, step):
        batch = {"image": to_float(tf.gather(images, index)), "index": index}
        root = noise.stream(noise.make_seed(experiment.seed), "train")
        return learner.train_step(batch, noise.fold(root, step))

    index = tf.zeros([experiment.examples_per_update], tf.int32)
    return lower_function(update, learner, tf.constant(images), index, tf.constant(1))


def _weights(learner, step: Lowered) -> list[tuple[int, int]]:
    """Returns pairs of places, in the state of a program and among the learner's variables.

    They are of the variables that change, without those of optimizers.
    """
    others = variables.optimizers(learner.state)
    learned = variables.named({n: p for n, p in learner.state.items() if p not in others})
    places = {id(getattr(v, "value", v).handle): i for i, (_, v) in enumerate(learned)}
    handles = [(i, id(step.state[i].handle)) for i in step.changed]
    return [(i, places[handle]) for i, handle in handles if handle in places]


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("travel", __doc__)
    parser.add_argument("folder", type=Path, help="the new folder")
    parser.add_argument("patterns", nargs="+", metavar="RUN", help="a name, or a pattern with *")
    parser.add_argument("--gin_bindings", action="append", default=[], help="override every run")
    return command.run(parser, _travel, arguments)


def _travel(options) -> None:
    runs = {}
    for pattern in options.patterns:
        names = fnmatch.filter(ten_minutes.RUNS, pattern)
        if not names:
            raise InputError(f"no run {pattern!r}: {near(pattern, list(ten_minutes.RUNS))}")
        runs |= {name: (*ten_minutes.RUNS[name], *options.gin_bindings) for name in names}
    travel(options.folder, runs)


if __name__ == "__main__":
    sys.exit(main())
