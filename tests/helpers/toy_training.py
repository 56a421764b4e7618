"""A small learner and its experiment, for tests of training."""

import json

import keras
import numpy as np

from tf_shortrun.core import noise
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.training.experiment import Experiment
from tf_shortrun.training.train import train


def dataset():
    x = noise.normal(noise.make_seed(7), [40, 4]).numpy() / 4
    split = Split(x, np.zeros(40, np.int32))
    return Dataset("toy", split, split)


def make_learner(learning_rate=1e-2, width=8):
    network = keras.Sequential([keras.layers.Dense(width, "tanh"), keras.layers.Dense(4)])
    model = Decoder(network, latent_widths=[2], sigma=0.3)
    return LatentLikelihood(model, ShortRun(3, 0.01), keras.optimizers.Adam(learning_rate))


def experiment(num_steps, make=make_learner, **changes):
    settings = {
        "method": "short_run", "dataset": dataset(), "make_learner": make, "batch_size": 8,
        "num_steps": num_steps, "seed": 1, "scale": "cpu", "evals": [], "pictures": [],
        "checkpoint_every": 4, "log_every": 2,
    }  # fmt: skip
    return Experiment(**(settings | changes))


def run(workdir, num_steps, strategy, draw=None, fresh=False, **changes):
    """Trains a new learner, resuming from `workdir` if possible; returns weights and history."""
    learner, history = run_learner(workdir, num_steps, strategy, draw, fresh, **changes)
    return [v.numpy() for v in learner.model.variables], history


def run_learner(workdir, num_steps, strategy, draw=None, fresh=False, **changes):
    """Does what `run` does; returns learner and history."""
    setting = experiment(num_steps, **changes)
    learner = setting.build(strategy)
    return learner, train(setting, strategy, learner, workdir, draw=draw, fresh=fresh)


def rows(workdir):
    return [json.loads(line) for line in (workdir / "history.jsonl").read_text().splitlines()]
