"""Writes an animation of samples that walk back from noise, from a trained run of images.

    python -m tools.walk_animation --workdir=runs/walkback_mnist_1 --out=walk.png

The ending of OUT chooses the format: .png (animated PNG) or .gif. One frame for each step; the
last frame, the samples, stays longer.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import tf_shortrun as sr
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner, Walks
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed
from tf_shortrun.evals.pictures.grids import compiled
from tf_shortrun.evals.pictures.tiles import grid
from tools import command

_LAST = 12  # the last frame stays as long as this many others


def frames(learner: Learner, rows: int, columns: int, seed: Seed) -> list[np.ndarray]:
    """Returns a grid of the states of `rows * columns` walks for each step, samples last."""
    require(learner, Walks, "the animation")
    return [grid(states, columns) for states in compiled(learner.cool)(rows * columns, seed)]


def write(path: Path, pictures: list[np.ndarray], milliseconds: int) -> None:
    """Writes pictures, uint8 [H, W, 3] each, as frames of `milliseconds`; it repeats for ever."""
    if path.suffix not in (".png", ".gif"):
        raise InputError(f"{path} is neither .png nor .gif: choose one of these endings")
    is_grey = all((p == p[..., :1]).all() for p in pictures)
    first, *others = [Image.fromarray(p[..., 0] if is_grey else p) for p in pictures]
    durations = [milliseconds] * len(others) + [_LAST * milliseconds]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("walk_animation", __doc__)
    parser.add_argument("--workdir", type=Path, required=True, help="folder of a trained run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--milliseconds", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    return command.run(parser, _animate, arguments)


def _animate(options) -> None:
    learner = sr.load(options.workdir).learner
    seed = noise.make_seed(options.seed)
    pictures = frames(learner, options.rows, options.columns, seed)
    write(options.out, pictures, options.milliseconds)
    print(f"{options.out}: {len(pictures)} frames, {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
