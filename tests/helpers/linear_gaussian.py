"""A learner with known exact values: x = z W + e, with two layers of latents side by side."""

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.data.dataset import Dataset, Split
from tools.step_sizes import DIMENSIONS, PRECISIONS, SIGMA, make_model

WIDTHS = [3, 5]
MODEL = make_model()
W = MODEL.network.layers[-1].kernel.numpy().astype(np.float64)
COVARIANCE = np.diag(1.0 / PRECISIONS)  # of the posterior, the same for every x


def posterior_mean(x):
    return x @ W.T / SIGMA**2 / PRECISIONS


def log_likelihood(x):
    """Returns log N(x; 0, W^T W + sigma^2 I): [B]."""
    covariance = W.T @ W + SIGMA**2 * np.eye(DIMENSIONS)
    quadratic = np.sum(x * np.linalg.solve(covariance, x.T).T, axis=1)
    return -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covariance)[1])


def dataset(num):
    """Returns a data set of observations from the model, clipped to [-1.4, 1.4]."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(num, len(W))) @ W + SIGMA * rng.normal(size=(num, DIMENSIONS))
    split = Split(np.clip(x, -1.4, 1.4).astype(np.float32), np.arange(num, dtype=np.int32))
    return Dataset("toy", split, split)


class Learner:
    """A learner whose inference is N(mean + shift, scale^2 covariance).

    `mean` and `covariance` are those of the posterior.
    """

    def __init__(self, shift=0.0, scale=1.0):
        self.shift, self.scale = shift, scale

    def sample_latents(self, num, seed):
        return tf.split(noise.normal(seed, [num, len(W)]), WIDTHS, axis=1)

    def infer(self, batch, seed):
        return tf.split(self._infer(batch, seed)[0], WIDTHS, axis=1)

    def decode(self, latents):
        return MODEL([tf.concat(latents, 1)])

    def log_prior(self, latents):
        return MODEL.log_prior([tf.concat(latents, 1)])

    def log_joint(self, latents, batch):
        return MODEL.log_joint([tf.concat(latents, 1)], batch["image"])

    def log_weights(self, batch, seed):
        z, log_q = self._infer(batch, seed)
        return MODEL.log_joint([z], batch["image"]) - log_q

    def _infer(self, batch, seed):
        xi = noise.normal(seed, [tf.shape(batch["image"])[0], len(W)])
        std = (self.scale / np.sqrt(PRECISIONS)).astype(np.float32)
        mean = batch["image"] @ (W.T / SIGMA**2 / PRECISIONS).astype(np.float32)
        log_q = -0.5 * tf.reduce_sum(xi**2 + np.log(2 * np.pi * std**2), axis=1)
        return mean + self.shift + std * xi, log_q
