"""Makes a folder that measures a pin on a GPU where there is no TensorFlow, beside PyTorch.

    python -m tools.travel_benchmark FOLDER --gin_file=reproduce/celeba32.gin
    cd FOLDER; python -m tools.benchmark_lowered . --json=OUT/celeba32.json --peer=torch

FOLDER has, for float32 and bfloat16, chains of several lengths, the training step, and a training
step with a chain of one step (`tools/program.py`), each of an image and a seed. Images are noise.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import copy
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import HasDensity, RunsChain
from tf_shortrun.core.flops import count_flops
from tools import command, peer, travel
from tools.benchmark import NOISE, SHARES, images
from tools.lower import lower_function
from tools.measure import SEED

TYPES = {"float32": (), "bfloat16": ("gin/precision/bfloat16.gin",)}
THERE = (
    *(f"tf_shortrun/{name}.py" for name in ("__init__", "core/__init__", "core/allocator")),
    *(f"tf_shortrun/core/{name}.py" for name in ("errors", "version")),
    *(f"tools/{name}.py" for name in ("__init__", "packed", "program", "run_lowered", "timing")),
    *(f"tools/{name}.py" for name in ("benchmark_lowered", "peer_process", "torch_peer")),
)


def make(folder: Path, gin_files: list[str], bindings: list[str]) -> None:
    """Writes the folder.

    Raises:
      InputError: if it exists, or the learner has no chain or no density.
    """
    travel.begin(folder, THERE)
    for kind, files in TYPES.items():
        experiment = config.load([*gin_files, *files, NOISE], bindings)
        with config.explained():
            learner = experiment.build(tf.distribute.get_strategy())
        for capability in (RunsChain, HasDensity):
            require(learner, capability, "the benchmark")
        batch = images(experiment, learner)
        for name, function in _functions(learner).items():
            step = lower_function(function, learner, batch["image"], tf.constant(SEED))
            travel.write(folder / f"{kind}_{name}", step, seed=experiment.seed)
    about = {"num_steps": _counts(learner), "flops_per_step": _flops(experiment, learner)}
    (folder / "benchmark.json").write_text(json.dumps(about) + "\n")
    size = float(learner.inference.step_sizes(1)[0, 0])
    peer.write(folder / "network.npz", learner.model, size, batch["image"].numpy(), weights=False)
    travel.check_size(folder)


def _counts(learner) -> list[int]:
    k = learner.inference.num_steps
    return sorted({max(1, round(share * k)) for share in SHARES})


def _functions(learner) -> dict[str, Callable]:
    """Returns functions of (image, seed) by name: chains, and training steps of K and of 1."""
    k, short = learner.inference.num_steps, copy.copy(learner)
    short.inference = dataclasses.replace(learner.inference, num_steps=1)

    def chain(num):
        def run(image, seed):
            latents = learner.infer_by_chain({"image": image}, seed, num / k)
            return {f"{layer}": z for layer, z in enumerate(latents)}

        return run

    def train(learner):
        return lambda image, seed: learner.train_step({"image": image}, seed)

    chains = {f"chain{num}": chain(num) for num in _counts(learner)}
    return chains | {"train": train(learner), "brief": train(short)}


def _flops(experiment, learner) -> int:
    """Returns the operations of a Langevin step, as `tools.benchmark` counts them."""
    one = {"image": images(experiment, learner)["image"][:1]}
    latents = learner.sample_latents(1, SEED)
    forward = count_flops(lambda *z: learner.log_joint(list(z), one), *latents)
    return int(2 * forward * experiment.examples_per_update)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("travel_benchmark", __doc__)
    parser.add_argument("folder", type=Path, help="the new folder")
    parser.add_argument("--gin_file", action="append", required=True, help="its data become noise")
    parser.add_argument("--gin_bindings", action="append", default=[], help="override gin files")
    return command.run(parser, _make, arguments)


def _make(options) -> None:
    make(options.folder, options.gin_file, options.gin_bindings)


if __name__ == "__main__":
    sys.exit(main())
