"""Generative latent optimisation: the latents of each training image are parameters.

    z_i <- P(z_i + s grad log p(x_i | z_i)),    P(z) = z / max(1, ||z||)

Each visit of an image makes one step, without noise and without a prior: P keeps the latents in
the unit ball. An image outside the training split starts from a draw of the prior and makes
`num_test_steps` steps.

References: P. Bojanowski, A. Joulin, D. Lopez-Paz, A. Szlam, Optimizing the latent space of
generative networks, ICML 2018.
"""

import numpy as np
import tensorflow as tf

from tf_shortrun.core import nest
from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.kernels import langevin
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.latent.inference import Posterior
from tf_shortrun.methods.latent.latent_model import LatentModel
from tf_shortrun.methods.latent.start import Bank
from tf_shortrun.networks.precision import cast_once


class LatentTable:
    """An `Inference` that stores the latents of each training image.

    Args:
      num_examples: images in the training split.
      step_size: s.
      num_test_steps: steps for an image outside the training split.
    """

    num_steps = 1  # at every visit
    num_particles = 1

    def __init__(self, num_examples: int, step_size: float, num_test_steps: int):
        if not step_size > 0 or num_test_steps < 1:
            raise InputError(
                f"LatentTable has step_size {step_size}, num_test_steps {num_test_steps}: choose "
                "a positive size and at least one step"
            )
        check_most(num_test_steps=num_test_steps)
        self._bank = Bank(num_examples)
        self._step_size, self._num_test_steps = step_size, num_test_steps

    @property
    def state(self) -> dict:
        return self._bank.state

    def build(self, model: LatentModel):
        self._bank.build(model)

    def __call__(self, model: LatentModel, batch: Batch, seed: Seed) -> Posterior:
        """Makes one step for training images, `num_test_steps` steps for other images."""
        return self.chain(model, batch, seed)

    def chain(
        self,
        model: LatentModel,
        batch: Batch,
        seed: Seed,
        times: float = 1,
        noise_scale: float | None = None,
    ) -> Posterior:
        """Infers as the call does; `times` multiplies the steps for images outside the table."""
        test_steps = max(1, round(times * self._num_test_steps))
        num_steps = self.num_steps if "index" in batch else test_steps
        sizes = np.full([num_steps, len(model.latent_widths)], self._step_size, np.float32)
        climb = langevin.make_step(lambda z: _log_likelihood(model, batch, z), noise_scale or 0.0)

        def step(state, sizes, seed):
            moved, info = climb(state, sizes, seed)
            return langevin.LangevinState(into_ball(moved.latents)), info

        with cast_once(model):
            start = into_ball(self._bank.draw(model, batch, seed))
            end, info = unroll(step, langevin.LangevinState(start), sizes, seed)
        return Posterior(nest.stop_gradient(end.latents), info, {})

    def learn(self, model: LatentModel, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Stores the inferred latents in the table."""
        del model, seed
        return self._bank.learn(batch, posterior.latents)


def into_ball(latents: Latents) -> Latents:
    """Returns z / max(1, ||z||) with the norm over all layers."""
    norm = tf.sqrt(nest.squared_norm(latents))[:, None]
    return [z / tf.maximum(1.0, norm) for z in latents]


def _log_likelihood(model: LatentModel, batch: Batch, latents: Latents) -> tf.Tensor:
    joint = model.log_joint(latents, batch["image"], batch.get("mask"))
    return joint - model.log_prior(latents)
