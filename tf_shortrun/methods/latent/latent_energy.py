"""Short-run inference with a learned energy in the space of latents.

    z-  K_0 Langevin steps on E(z) + |z|^2 / 2 from N(0, I)             what the prior gives
    z+  K steps on the posterior, as the inference has it               what images need
    theta   up   mean_b log p(x_b | z+_b)
    E       down mean_b E(z+_b) - mean_b E(z-_b)

References: B. Pang, T. Han, E. Nijkamp, S.-C. Zhu, Y. N. Wu, NeurIPS 2020.
"""

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core import nest, noise
from tf_shortrun.core.contracts import Passes
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.kernels import langevin
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.latent.energy_prior import EnergyPrior
from tf_shortrun.methods.latent.inference import Inference, Posterior
from tf_shortrun.methods.latent.latent_learner import LatentLearner
from tf_shortrun.methods.latent.latent_likelihood import climb


class LatentEnergy(LatentLearner):
    """Learner of an `EnergyPrior`; it has no densities, as they are not normalised.

    Args:
      model, inference, optimizer: as `LatentLearner`; the optimizer is that of the generator.
      energy_optimizer: that of E.
      num_prior_steps: K_0.
      prior_step_size: of these steps, in the convention of `kernels/langevin.py`.
    """

    model: EnergyPrior

    def __init__(
        self,
        model: EnergyPrior,
        inference: Inference,
        optimizer: keras.optimizers.Optimizer,
        energy_optimizer: keras.optimizers.Optimizer,
        num_prior_steps: int,
        prior_step_size: float,
    ):
        if num_prior_steps < 1 or not prior_step_size > 0:
            raise InputError(
                f"LatentEnergy has num_prior_steps {num_prior_steps}, prior_step_size "
                f"{prior_step_size}: choose at least one step, of a positive size"
            )
        super().__init__(model, inference, optimizer)
        self.energy_optimizer = energy_optimizer
        shape = [num_prior_steps, len(model.latent_widths)]
        self._prior_step_sizes = np.full(shape, prior_step_size, np.float32)
        energy_optimizer.build(model.network.trainable_variables)

    @property
    def variables(self) -> list[keras.Variable]:
        return self.model.generator.trainable_variables

    @property
    def state(self) -> dict:
        generator = {"model": self.model, "optimizer": self.optimizer, **self.inference.state}
        return {**generator, "energy_optimizer": self.energy_optimizer}

    def passes(self, image: tf.Tensor) -> list[Passes]:
        """Inference, generator, and E: K_0 steps of the prior, then forth and back at both ends."""
        number = 2 * len(self._prior_step_sizes) + 3 * 2
        energy = Passes(number, self.model.energy, [self._latents])
        return [*self.passes_to_infer(image), *self._passes_to_learn(image), energy]

    def passes_to_infer(self, image: tf.Tensor) -> list[Passes]:
        """Through the generator, and through E at every step."""
        energy = Passes(2 * self.chain_steps, self.model.energy, [self._latents])
        return [*self._passes_to_infer(image), energy]

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Infers, then `learn`."""
        posterior = self.inference(self.model, batch, noise.stream(seed, "infer"))
        return self.learn(batch, posterior, noise.stream(seed, "learn"))

    def learn(self, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Generator, then energy; metrics are those of `LatentLikelihood`, and

        gap: mean E(z+) - mean E(z-) before the update, nats; near 0 where the prior has learned
        what images need.   prior_norm: ||z-||^2 / d.
        """
        metrics = climb(self, batch, posterior, noise.stream(seed, "likelihood"))
        negative = self.sample_latents(tf.shape(batch["image"])[0], noise.stream(seed, "prior"))
        variables = self.model.network.trainable_variables
        with tf.GradientTape() as tape:
            lower, higher = self.model.energy(posterior.latents), self.model.energy(negative)
            gap = tf.reduce_mean(lower) - tf.reduce_mean(higher)
        descend(self.energy_optimizer, variables, gap, tape)
        norm = tf.reduce_mean(nest.squared_norm(negative)) / sum(self.model.latent_widths)
        return {**metrics, "gap": gap, "prior_norm": norm}

    def sample_latents(self, num, seed: Seed) -> Latents:
        """z-: [num, d_l] each, constant to every tape."""
        step = langevin.make_step(self.model.log_prior, 1.0)
        start = self.model.sample_latents(num, noise.stream(seed, "start"))
        begin = langevin.LangevinState(start)
        end, _ = unroll(step, begin, self._prior_step_sizes, noise.stream(seed, "chain"))
        return nest.stop_gradient(end.latents)
