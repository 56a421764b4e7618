"""Short-run inference with a learned energy as the prior on the latents.

    z-  K_0 Langevin steps on E(z) + |z|^2 / 2 from N(0, I)             latents of the prior
    z+  K steps on the posterior, by the inference                      latents of the images
    theta   up   mean_b log p(x_b | z+_b)
    E       down mean_b E(z+_b) - mean_b E(z-_b)

References: B. Pang, T. Han, E. Nijkamp, S.-C. Zhu, Y. N. Wu, NeurIPS 2020.
"""

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core import nest, noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.passes import Passes
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.kernels import langevin
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.latent.energy_prior import EnergyPrior
from tf_shortrun.methods.latent.inference import Inference, Posterior, each_particle
from tf_shortrun.methods.latent.latent_learner import LatentLearner
from tf_shortrun.methods.latent.latent_likelihood import climb


class LatentEnergy(LatentLearner):
    """A learner of an `EnergyPrior`. It offers no densities, since they are not normalised.

    Args:
      model: an `EnergyPrior`.
      inference: an `Inference`.
      optimizer: a Keras optimizer for the generator.
      energy_optimizer: a Keras optimizer for E.
      num_prior_steps: K_0.
      prior_step_size: size of the K_0 steps, in the convention of `kernels/langevin.py`.
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
        """Returns the passes of inference, of the generator, and of E: K_0 steps, then the update.

        The update of E is a forward and a backward pass at z+ and at z-.
        """
        number = 2 * len(self._prior_step_sizes) + 3 * 2
        energy = Passes(number, self.model.energy, [self._latents])
        passes = [*self.passes_to_infer(image), *self._passes_to_learn(image), energy]
        return passes * self.inference.num_particles

    def passes_to_infer(self, image: tf.Tensor) -> list[Passes]:
        """Returns the passes of inference through the generator, and through E at every step."""
        energy = Passes(2 * self.chain_steps, self.model.energy, [self._latents])
        return [*self._passes_to_infer(image), energy]

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Infers z+, then calls `learn`."""
        batch = each_particle(batch, self.inference.num_particles)
        posterior = self.inference(self.model, batch, noise.stream(seed, "infer"))
        return self.learn(batch, posterior, noise.stream(seed, "learn"))

    def learn(self, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Updates the generator, then the energy; returns the metrics of `LatentLikelihood` and

        gap: mean E(z+) - mean E(z-) before the update, nats; near 0 once prior draws have the same
        energy as the latents of images.   prior_norm: mean of ||z-||^2 / d.
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
        """Draws z-: [num, d_l] for each layer, through which no gradient flows."""
        step = langevin.make_step(self.model.log_prior, 1.0)
        start = self.model.sample_latents(num, noise.stream(seed, "start"))
        begin = langevin.LangevinState(start)
        end, _ = unroll(step, begin, self._prior_step_sizes, noise.stream(seed, "chain"))
        return nest.stop_gradient(end.latents)
