"""Prints what happens inside a top-down generator in its first updates, one line for each.

    python -m tools.first_updates STUDY ARM [--seed=1] [--updates=20] [--change="NAME = VALUE"]

STUDY is the Python file of a study and ARM one of its arms, whose settings each --change changes.
It trains as `tf_shortrun.main` does,
and looks after every update at 64 draws from the prior:

    mse        error of the batch, before the update
    latents    mean square of the inferred latents, 1 under the prior
    features   standard deviation of the last feature maps
    output     mean of the outputs before tanh
    saturated  share of the outputs where the slope of tanh is below .001
    kernel     norm of the last kernel
    gradient   norm of the gradient of the mean square of the images in these latents
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import itertools
import sys
from pathlib import Path

import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import StartsAtMean
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.top_down import TopDownGenerator
from tf_shortrun.reporting import study
from tf_shortrun.training.steps import make_steps
from tools import command
from tools.code_paths import split

NUM_DRAWS = 64
COLUMNS = ("mse", "latents", "features", "output", "saturated", "kernel", "gradient")


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("first_updates", __doc__)
    parser.add_argument("study", type=Path, help="its Python file")
    parser.add_argument("arm", help="the name of one of its arms")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--updates", type=int, default=20)
    parser.add_argument("--change", action="append", default=[], help="a binding, may be repeated")
    return command.run(parser, _print, arguments)


def _print(options):
    arms = study.read(options.study).arms
    if options.arm not in arms:
        raise InputError(f"no arm {options.arm!r}: choose one of {', '.join(arms)}")
    seed = f"experiment.Experiment.seed = {options.seed}"
    settings = [*arms[options.arm], *options.change, seed]
    print("update" + "".join(f"{name:>11s}" for name in COLUMNS))
    for update, row in enumerate(follow(settings, options.updates), 1):
        print(f"{update:6d}" + "".join(f"{row[name]:11.3g}" for name in COLUMNS), flush=True)


def follow(settings: list[str], num_updates: int):
    """Yields the values of COLUMNS after each update of an experiment, on one replica."""
    experiment = config.load(*split(settings))
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with config.explained():
        learner = experiment.build(strategy)
    model = getattr(learner, "model", None)
    if not isinstance(model, TopDownGenerator):
        raise InputError("this arm has no TopDownGenerator: choose another one")
    if can(learner, StartsAtMean):
        learner.start_at(experiment.dataset.mean_colour)
    step_at = make_steps(strategy, learner, noise.stream(noise.make_seed(experiment.seed), "train"))
    batches = experiment.dataset.train_batches(experiment.examples_per_update, experiment.seed)
    look = tf.function(lambda: _look(model))
    for update, batch in enumerate(itertools.islice(batches, num_updates), 1):
        metrics = step_at(update)(batch, tf.constant(update))
        inside = {name: float(value) for name, value in look().items()}
        yield inside | {
            "mse": float(metrics["mse"]),
            "latents": float(metrics.get("latent_norm", 1.0)),
        }


def _look(model: TopDownGenerator) -> dict[str, tf.Tensor]:
    latents = model.sample_latents(NUM_DRAWS, noise.make_seed(0))
    *before, doubling, last = model.upsampling.layers
    features = model.last(model._descend(lambda layer, _: latents[layer])[0])
    for layer in before:
        features = layer(features)
    output = doubling(features) + last.bias
    with tf.GradientTape() as tape:
        tape.watch(latents)
        size = tf.reduce_mean(model(latents) ** 2)
    return {
        "features": tf.math.reduce_std(features),
        "output": tf.reduce_mean(output),
        "saturated": tf.reduce_mean(tf.cast(1 - tf.tanh(output) ** 2 < 1e-3, tf.float32)),
        "kernel": tf.norm(doubling.kernel),
        "gradient": tf.linalg.global_norm(tape.gradient(size, latents)),
    }


if __name__ == "__main__":
    sys.exit(main())
