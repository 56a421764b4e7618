"""Which objective chooses good step sizes: a model whose posterior is known exactly.

    python -m tools.step_sizes [--json=FILE]

The model is linear and Gaussian, d = 8, D = 32, sigma = 0.3, with posterior precisions
lambda from 4.6 to 24. Along each direction a chain with step sizes s_k is Gaussian,

    a = prod_k (1 - s_k lambda),    v_{k+1} = (1 - s_k lambda)^2 v_k + 2 s_k,    v_0 = 1
    KL = 1/2 sum [ lambda (a^2 m + v_K) - 1 - log(lambda v_K) ],    m = 1 - 1/lambda

averaged over data. The objectives see only the model and their samples; printed is the true
KL, in nats, of what each of them chose.
"""

import tf_shortrun.startup  # isort: skip  # noqa: F401, before anything imports TensorFlow

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from absl import app, flags

from tf_shortrun import noise
from tf_shortrun.inference import step_size
from tf_shortrun.models.latent_model import Decoder

_JSON = flags.DEFINE_string("json", None, "File for the numbers.")

PRECISIONS = np.linspace(4.6, 24.0, 8)
DIMENSIONS, SIGMA = 32, 0.3
GRID = np.geomspace(1e-3, 0.07, 60)
SEED = 0
NUM_IMAGES, NUM_PAIRS = 200, 4000
NUM_UPDATES, LEARNING_RATE = 300, 0.1


def make_model() -> Decoder:
    """x = z W + e with W W^T = sigma^2 diag(lambda - 1)."""
    columns = np.random.default_rng(0).normal(size=(DIMENSIONS, len(PRECISIONS)))
    weights = (np.linalg.qr(columns)[0] * SIGMA * np.sqrt(PRECISIONS - 1)).T
    initializer = keras.initializers.Constant(weights.astype(np.float32))
    dense = keras.layers.Dense(DIMENSIONS, use_bias=False, kernel_initializer=initializer)
    return Decoder(keras.Sequential([dense]), [len(PRECISIONS)], SIGMA)


def law(step_sizes: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """(a, v_K) of every direction: the chain's end is N(mu (1 - a), v_K), from N(0, 1)."""
    mean, variance = np.ones_like(PRECISIONS), np.ones_like(PRECISIONS)
    for s in np.ravel(step_sizes):
        mean, variance = mean * (1 - s * PRECISIONS), (1 - s * PRECISIONS) ** 2 * variance + 2 * s
    return mean, variance


def true_kl(step_sizes: Sequence[float]) -> float:
    """KL(law of the chain || posterior), nats, mean over data."""
    mean, variance = law(step_sizes)
    return _kl(mean, variance, variance)


def kl_hat(step_sizes: Sequence[float]) -> float:
    """What the published estimator estimates: the entropy of the chain given its noise."""
    mean, variance = law(step_sizes)
    return _kl(mean, variance, mean**2)


def study() -> dict[str, np.ndarray]:
    """Step sizes [K] by name of the choice."""
    model, seed = make_model(), noise.make_seed(SEED)
    latents = model.sample_latents(NUM_IMAGES, noise.fold(seed, 1))
    x = model(latents) + SIGMA * noise.normal(noise.fold(seed, 2), [NUM_IMAGES, DIMENSIONS])
    grid = np.broadcast_to(GRID[:, None, None], (len(GRID), 20, 1))
    pairs = noise.fold(seed, 3)
    chosen = {
        "kl_hat@20": step_size.grid_search(lambda s: step_size.kl_hat(model, x, s, pairs), grid)[0],
        "energy_score@20": step_size.grid_search(
            lambda s: step_size.energy_score(model, NUM_PAIRS, s, pairs), grid
        )[0],
        "best_single@20": min(grid, key=true_kl),
    }
    for num_steps in (20, 10, 5):
        chosen[f"learned_per_step@{num_steps}"] = step_size.learn(
            lambda s, k: step_size.energy_score(model, NUM_PAIRS, s, noise.fold(pairs, k)),
            np.geomspace(0.1, 0.01, num_steps)[:, None],
            NUM_UPDATES,
            LEARNING_RATE,
        )
    return {name: np.ravel(sizes) for name, sizes in chosen.items()}


def main(_):
    chosen = study()
    divergence = {name: true_kl(sizes) for name, sizes in chosen.items()}
    for name, sizes in chosen.items():
        print(f"{name:20s} true KL {divergence[name]:7.4f} nats, steps {np.round(sizes, 4)}")
    if _JSON.value:
        Path(_JSON.value).write_text(json.dumps(divergence, indent=2) + "\n")


def _kl(mean: np.ndarray, variance: np.ndarray, entropy_variance: np.ndarray) -> float:
    error = mean**2 * (1 - 1 / PRECISIONS) + variance
    return float(0.5 * np.sum(PRECISIONS * error - 1 - np.log(PRECISIONS * entropy_variance)))


if __name__ == "__main__":
    app.run(main)
