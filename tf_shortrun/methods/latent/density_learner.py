"""Learners whose model has a normalised density of latents and observations."""

import abc
from typing import cast

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can, only_if
from tf_shortrun.core.passes import Passes
from tf_shortrun.core.shapes import Batch, Latents, Seed
from tf_shortrun.methods.latent.inference import WeighedInference
from tf_shortrun.methods.latent.latent_learner import LatentLearner, unnamed
from tf_shortrun.methods.latent.latent_model import NormalPriorModel


class DensityLearner(LatentLearner, abc.ABC):
    """An abstract `LatentLearner`: a subclass defines `variables` and `train_step`."""

    model: NormalPriorModel

    @property
    def state(self) -> dict:
        return {"model": self.model, "optimizer": self.optimizer, **self.inference.state}

    def passes(self, image: tf.Tensor) -> list[Passes]:
        """Returns the passes of inference, then those of the update."""
        passes = [*self.passes_to_infer(image), *self._passes_to_learn(image)]
        return passes * self.inference.num_particles

    def passes_to_infer(self, image: tf.Tensor) -> list[Passes]:
        return self._passes_to_infer(image)

    def sample_latents(self, num, seed: Seed) -> Latents:
        return self.model.sample_latents(num, seed)

    def draw(self, num, seed: Seed) -> tf.Tensor:
        """Draws `num` observations with their noise: g(z) + sigma xi, not clipped."""
        seeds = noise.split(seed, 2)
        mean = self.model(self.sample_latents(num, seeds[0]))
        return mean + self.model.normal_sigma() * noise.normal(seeds[1], [num, *mean.shape[1:]])

    def log_prior(self, latents: Latents) -> tf.Tensor:
        return self.model.log_prior(latents)

    def log_joint(self, latents: Latents, batch: Batch) -> tf.Tensor:
        return self.model.log_joint(latents, batch["image"])

    def score(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns -log p(x, z) at the inferred latents z: [B], nats (Pang et al. 2020)."""
        return -self.log_joint(self.infer(batch, seed), batch)

    @only_if(lambda self: can(self.inference, WeighedInference))
    def log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return cast(WeighedInference, self.inference).log_weights(self.model, unnamed(batch), seed)
