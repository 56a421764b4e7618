"""Measures chains that run longer or shorter than in training.

References: E. Nijkamp et al., On the anatomy of MCMC-based maximum likelihood learning of
energy-based models, AAAI 2020 (a model learned by short chains may fail with long chains).
"""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_shortrun.core import nest, noise
from tf_shortrun.core.contracts import Learner, RunsChain
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric, needs
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals import subset


@dataclasses.dataclass(frozen=True)
class ChainLength:
    """An eval: error and drift of chains of several lengths, with and without noise.

        chain_mse   = mean_n |x_n - g(z_n)|^2 / D
        latent_norm = mean_n sum_l |z_n,l|^2 / sum_l d_l

    z_n is the end of one chain for test image n of `num_images` (see `evals/subset.py`).
    Draws from the prior have latent_norm 1. Above 1 the latents lie outside the shell of the
    prior, below 1 they lie nearer to its centre.

    Attributes:
      times: lengths of the chain in units of K, its length in training: 2 gives
        `chain_mse@2K`, and `chain_mse_noiseless@2K` for gradient ascent without noise.

    The noise of batch b comes from fold(seed, b), so all chains of an image have the same start.
    """

    metrics: ClassVar = {
        "chain_mse@*K": Metric(
            "lower", "Reconstruction error by a chain of this length; K is that in training."
        ),
        "chain_mse_noiseless@*K": Metric(
            "lower", "As chain_mse, by gradient ascent without noise."
        ),
        "latent_norm@*K": Metric("", "Mean square of the latents at the end; 1 under the prior."),
        "latent_norm_noiseless@*K": Metric("", "As latent_norm, by gradient ascent without noise."),
    }

    times: tuple[float, ...]
    num_images: int
    batch_size: int

    def __post_init__(self):
        if min(self.num_images, self.batch_size) < 1 or not all(t > 0 for t in self.times):
            raise InputError(
                f"ChainLength has times {self.times}, num_images {self.num_images}, batch_size "
                f"{self.batch_size}: choose times above 0 and numbers from 1 on"
            )

    check = needs(RunsChain)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns both metrics for each length, with and without noise.

        Raises:
          InputError: if the learner runs no chain.
        """
        self.check(learner, dataset)
        images = subset.spread(dataset, self.num_images)
        batches, metrics = images.test_batches(self.batch_size), {}
        for suffix, times, noise_scale in self._settings():
            mse, norm = _measure(learner, batches, seed, times, noise_scale)
            metrics |= {f"chain_mse{suffix}": mse, f"latent_norm{suffix}": norm}
        return metrics

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence for each metric: how it was measured."""
        images, sentences = subset.phrase(dataset, self.num_images), {}
        for suffix, times, noise_scale in self._settings():
            how = "with the noise of training" if noise_scale is None else "without noise"
            made = f"over {images}, one chain each, {times:g} x as long as in training, {how}."
            sentences[f"chain_mse{suffix}"] = f"Mean squared error per pixel on [-1, 1] {made}"
            sentences[f"latent_norm{suffix}"] = f"Mean square of the latents at the end {made}"
        return sentences

    def _settings(self) -> list[tuple[str, float, float | None]]:
        """Returns (suffix of the metric name, length, noise scale) for each setting."""
        noises = {"": None, "_noiseless": 0.0}
        return [(f"{kind}@{t:g}K", t, noises[kind]) for kind in noises for t in self.times]


def _measure(
    learner: RunsChain,
    batches: tf.data.Dataset,
    seed: Seed,
    times: float,
    noise_scale: float | None,
) -> tuple[float, float]:
    """Returns (chain_mse, latent_norm) of one setting."""

    def measure(batch, batch_seed):
        latents = learner.infer_by_chain(batch, batch_seed, times, noise_scale)
        error = batch["image"] - learner.decode(latents)
        mse = tf.reduce_mean(error**2, axis=list(range(1, error.shape.rank)))
        return tf.stack([mse, nest.squared_norm(latents) / sum(z.shape[-1] for z in latents)])

    # One signature for all batches, so that the smaller last batch causes no new trace.
    spec = [batches.element_spec, tf.TensorSpec([2], tf.int32)]
    measure = tf.function(measure).get_concrete_function(*spec)
    each = [measure(batch, noise.fold(seed, b)) for b, batch in enumerate(batches)]
    mse, norm = np.mean(np.concatenate(each, axis=1), axis=1, dtype=np.float64)
    return float(mse), float(norm)
