"""Which objective chooses good step sizes: a model whose posterior is known exactly.

    python -m tools.step_sizes [--json=FILE] [--plot=FILE.svg]

The model is linear and Gaussian, d = 8, D = 32, sigma = 0.3, with posterior precisions
lambda from 4.6 to 24. Along each direction a chain with step sizes s_k is Gaussian,

    a = prod_k (1 - s_k lambda),    v_{k+1} = (1 - s_k lambda)^2 v_k + 2 s_k,    v_0 = 1
    KL = 1/2 sum [ lambda (a^2 m + v_K) - 1 - log(lambda v_K) ],    m = 1 - 1/lambda

averaged over data. The objectives see only the model and their samples; printed is the true
KL, in nats, of what each of them chose.
"""

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.objectives import EnergyScore, kl_hat, model_pairs
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.step_size import Descent, GridSearch
from tf_shortrun.reporting import figure
from tf_shortrun.reporting.charts import Chart, Curve
from tools import command

PRECISIONS = np.linspace(4.6, 24.0, 8)
DIMENSIONS, SIGMA = 32, 0.3
GRID = np.geomspace(1e-3, 0.07, 60)
SEED = 0
NUM_IMAGES, NUM_PAIRS = 200, 4000
NUM_UPDATES, NUM_PAIRS_AN_UPDATE, LEARNING_RATE = 300, 4000, 0.02


def make_model() -> Decoder:
    """x = z W + e with W W^T = sigma^2 diag(lambda - 1)."""
    columns = np.random.default_rng(0).normal(size=(DIMENSIONS, len(PRECISIONS)))
    weights = (np.linalg.qr(columns)[0] * SIGMA * np.sqrt(PRECISIONS - 1)).T
    initializer = keras.initializers.Constant(weights.astype(np.float32))
    dense = keras.layers.Dense(DIMENSIONS, use_bias=False, kernel_initializer=initializer)
    return Decoder(keras.Sequential([dense]), [len(PRECISIONS)], SIGMA)


def distribution(step_sizes: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """(a, v_K) of every direction: the chain's end is N(mu (1 - a), v_K), from N(0, 1)."""
    mean, variance = np.ones_like(PRECISIONS), np.ones_like(PRECISIONS)
    for s in np.ravel(step_sizes):
        mean, variance = mean * (1 - s * PRECISIONS), (1 - s * PRECISIONS) ** 2 * variance + 2 * s
    return mean, variance


def true_kl(step_sizes: Sequence[float]) -> float:
    """KL(distribution of the chain || posterior), nats, mean over data."""
    mean, variance = distribution(step_sizes)
    return _kl(mean, variance, variance)


def biased_kl(step_sizes: Sequence[float]) -> float:
    """What the published estimator estimates: the entropy of the chain given its noise."""
    mean, variance = distribution(step_sizes)
    return _kl(mean, variance, mean**2)


def study() -> dict[str, np.ndarray]:
    """Step sizes [K] by name of the choice."""
    model, seed = make_model(), noise.make_seed(SEED)
    latents = model.sample_latents(NUM_IMAGES, noise.stream(seed, "latents"))
    x = model(latents) + SIGMA * noise.normal(
        noise.stream(seed, "observation"), [NUM_IMAGES, DIMENSIONS]
    )
    # The energy score makes its own observations, as many as it is given.
    score, pairs = EnergyScore(model_pairs), tf.zeros([NUM_PAIRS, DIMENSIONS])
    chosen = {
        "kl_hat@20": _search(model, 20, GridSearch(kl_hat, GRID, NUM_IMAGES), x),
        "energy_score@20": _search(model, 20, GridSearch(score, GRID, NUM_PAIRS), pairs),
        "best_single@20": np.full(20, min(GRID, key=lambda s: true_kl([s] * 20))),
    }
    for num_steps in (20, 10, 5):
        chosen[f"learned_per_step@{num_steps}"] = _descend(model, num_steps, score)
    return chosen


def _search(model: Decoder, num_steps: int, rule: GridSearch, x: tf.Tensor) -> np.ndarray:
    inference = ShortRun(num_steps, rule)
    inference.build(model)
    tf.function(inference.adapt)(model, {"image": x}, noise.make_seed(SEED))
    return np.ravel(rule.value)


def _descend(model: Decoder, num_steps: int, score: EnergyScore) -> np.ndarray:
    """Learned per step; the geometric mean of the last quarter of the way."""
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(LEARNING_RATE, NUM_UPDATES)
    )
    start = np.geomspace(0.1, 0.01, num_steps)[:, None]
    rule = Descent(score, start, True, False, optimizer, NUM_PAIRS_AN_UPDATE)
    inference = ShortRun(num_steps, rule)
    inference.build(model)
    adapt, way = tf.function(inference.adapt), []
    pairs = tf.zeros([NUM_PAIRS_AN_UPDATE, DIMENSIONS])
    for k in range(NUM_UPDATES):
        adapt(model, {"image": pairs}, noise.fold(noise.make_seed(SEED), k))
        way.append(np.log(np.ravel(rule.value)))
    return np.exp(np.mean(way[NUM_UPDATES * 3 // 4 :], axis=0))


def charts(chosen: dict[str, np.ndarray]) -> list[Chart]:
    """KL over a single step size with a mark at every choice of one, and the learned schedules."""
    distributions = {"true KL": true_kl, "what kl_hat estimates": biased_kl}
    curves = [
        Curve(name, GRID, np.array([f([s] * 20) for s in GRID]))
        for name, f in distributions.items()
    ]
    schedules = []
    for name, sizes in chosen.items():
        if np.ptp(sizes):
            schedules.append(Curve(name, np.arange(1, len(sizes) + 1), sizes))
        else:
            curves.append(Curve(name, sizes[:1], np.array([true_kl(sizes)])))
    return [
        Chart("KL from the posterior, nats, K = 20", curves, "step size", is_x_log=True),
        Chart("learned step sizes", schedules, "k"),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("step_sizes", __doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--plot", type=Path, help="SVG file for the curves")
    return command.run(parser, _write, arguments)


def _write(options) -> None:
    chosen = study()
    divergence = {name: true_kl(sizes) for name, sizes in chosen.items()}
    for name, sizes in chosen.items():
        print(f"{name:20s} true KL {divergence[name]:7.4f} nats, steps {np.round(sizes, 4)}")
    if options.json:
        options.json.write_text(json.dumps(divergence, indent=2) + "\n")
    if options.plot:
        figure.write(options.plot, charts(chosen))


def _kl(mean: np.ndarray, variance: np.ndarray, entropy_variance: np.ndarray) -> float:
    error = mean**2 * (1 - 1 / PRECISIONS) + variance
    return float(0.5 * np.sum(PRECISIONS * error - 1 - np.log(PRECISIONS * entropy_variance)))


if __name__ == "__main__":
    sys.exit(main())
