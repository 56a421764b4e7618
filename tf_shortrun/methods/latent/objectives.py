"""Two objectives for the step sizes of a short run; smaller is better.

Both are called `objective(inference, model, batch, step_sizes, seed) -> scalar` with step
sizes [K, L], in which they are differentiable. Candidates with the same seed get the same noise.

`kl_hat` is the published objective. The noise xi of the chain is held fixed, so that z_K is a
smooth function of z_0 with a density:

    KL_hat(s) = E[ log p(z_0) - log |det dz_K / dz_0| - log p(x, z_K) ]        (+ log p(x))

Conditioning on xi makes KL_hat = KL(q || posterior) + I(z_K; xi). Without noise this is exact.
With noise its minimum is at steps that are too small.

`EnergyScore` needs no determinant and has no such bias. With pairs (z*, x*), z* ~ p(z | x*), and
two independent chains u, u' for each x*:

    ES(s) = E ||u - z*|| - 1/2 E ||u - u'||

The energy score is a strictly proper scoring rule: among all distributions of u given x*, the
posterior has the smallest score.

References: E. Nijkamp et al., ECCV 2020. T. Gneiting, A. E. Raftery, Strictly proper scoring
rules, prediction, and estimation, JASA 2007.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.shapes import Batch, Latents, Seed
from tf_shortrun.methods.latent.latent_model import LatentModel
from tf_shortrun.methods.latent.short_run import ShortRun


def kl_hat(
    inference: ShortRun, model: LatentModel, batch: Batch, step_sizes: tf.Tensor, seed: Seed
) -> tf.Tensor:
    """Returns KL_hat without the constant log p(x): nats, mean over `batch`.

    It computes a Hessian [d, d] for every step and example: use few examples.
    """
    return -tf.reduce_mean(inference.log_weights(model, batch, seed, step_sizes))


@dataclasses.dataclass(frozen=True)
class EnergyScore:
    """The energy score of the chain, an objective whose cost does not grow with d.

    Attributes:
      pairs: `(inference, model, batch, seed) -> (latents, batch)`, draws from p(z | x).
    """

    pairs: Callable

    def __call__(
        self,
        inference: ShortRun,
        model: LatentModel,
        batch: Batch,
        step_sizes: tf.Tensor,
        seed: Seed,
    ) -> tf.Tensor:
        latents, batch = self.pairs(inference, model, batch, noise.stream(seed, "pairs"))
        u, other = (
            tf.concat(inference.run(model, batch, step_sizes, chain)[0].latents, axis=-1)
            for chain in noise.split(noise.stream(seed, "chains"), 2)
        )
        truth = tf.concat(latents, axis=-1)
        return tf.reduce_mean(tf.norm(u - truth, axis=-1) - 0.5 * tf.norm(u - other, axis=-1))


def model_pairs(
    inference: ShortRun, model: LatentModel, batch: Batch, seed: Seed
) -> tuple[Latents, Batch]:
    """Draws an exact pair z* ~ p(z), x* ~ p(x | z*) from the model for each row of `batch`."""
    del inference
    latents = model.sample_latents(tf.shape(batch["image"])[0], noise.stream(seed, "latents"))
    mean = model(latents)
    shape = [tf.shape(mean)[0], *mean.shape[1:]]
    return latents, {
        "image": mean
        + model.normal_sigma() * noise.normal(noise.stream(seed, "observation"), shape)
    }


@dataclasses.dataclass(frozen=True)
class ChainPairs:
    """Pairs with the images of the batch: z* is the end of a much longer chain.

    The long chain takes the place of exact draws from p(z | x*). Except for its number of steps
    and its step size it is the chain of `inference`, with the same kind of start.

    Attributes:
      num_steps, step_size: those of the long chain.
    """

    num_steps: int
    step_size: float

    def __call__(
        self, inference: ShortRun, model: LatentModel, batch: Batch, seed: Seed
    ) -> tuple[Latents, Batch]:
        long = dataclasses.replace(inference, num_steps=self.num_steps, step_size=self.step_size)
        return long(model, batch, seed).latents, batch
