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
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood


class LatentEnergy(LatentLikelihood):
    """Learner of an `EnergyPrior`.

    Args:
      model, inference, optimizer: as `LatentLikelihood`; the optimizer is that of the generator.
      energy_optimizer: that of E.
      num_prior_steps: K_0.
      prior_step_size: of these steps, in the convention of `kernels/langevin.py`.
    """

    model: EnergyPrior
    # Not normalised: whoever asks for densities shall not find these.
    log_prior = log_joint = log_weights = None

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
        return {**super().state, "energy_optimizer": self.energy_optimizer}

    def passes(self, image: tf.Tensor) -> list[Passes]:
        """And E: K_0 steps of the prior, then forth and back at both ends."""
        number = 2 * len(self._prior_step_sizes) + 3 * 2
        return [*super().passes(image), Passes(number, self.model.energy, [self._latents])]

    def passes_to_infer(self, image: tf.Tensor) -> list[Passes]:
        """And E at every step."""
        energy = Passes(2 * self.chain_steps, self.model.energy, [self._latents])
        return [*super().passes_to_infer(image), energy]

    def learn(self, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Generator, then energy.

        gap: mean E(z+) - mean E(z-) before the update, nats; near 0 where the prior has learned
        what images need.   prior_norm: ||z-||^2 / d.
        """
        metrics = super().learn(batch, posterior, seed)
        negative = self.sample_latents(tf.shape(batch["image"])[0], noise.fold(seed, 3))
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
        start = self.model.sample_latents(num, noise.fold(seed, 0))
        begin = langevin.LangevinState(start)
        end, _ = unroll(step, begin, self._prior_step_sizes, noise.fold(seed, 1))
        return nest.stop_gradient(end.latents)
