"""Particle gradient descent: N latents of each training image, which persist between its visits.

    z_in <- z_in + s grad log p_theta(z_in, x_i) + sqrt(2 s) xi_in,      i in the batch, n = 1 .. N
    theta <- theta + optimizer( grad_theta mean_i mean_n log p_theta(x_i, z_in) )

It is a discretised gradient flow of the free energy mean_i E_q[log q(z | x_i) - log p(z, x_i)],
whose minimum is maximum likelihood with q the posterior; the N particles of an image are samples of
its q. With N = 1 an update is one of alternating back-propagation with K = 1. An image outside the
training split has no particles: a chain from the prior infers it.

References: J. Kuntz, J. N. Lim, A. M. Johansen, Particle algorithms for maximum likelihood training
of latent variable models, AISTATS 2023 (there h is s).
"""

import dataclasses

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Batch, Metrics, Seed
from tf_shortrun.methods.latent.inference import Posterior
from tf_shortrun.methods.latent.latent_model import LatentModel
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.start import Bank, Prior
from tf_shortrun.methods.latent.step_size import Adaptive


class ParticleCloud:
    """An `Inference` by one step from the particles of each training image.

    A learner gives it N copies of each training image, see `inference.each_particle`.

    Args:
      search: the chain from the prior for images outside the training split. A visit of a training
        image is one step of the same size.
      num_examples: images in the training split.
      num_particles: N.
    """

    num_steps = 1  # at every visit

    def __init__(self, search: ShortRun, num_examples: int, num_particles: int):
        if num_particles < 1:
            raise InputError(f"num_particles is {num_particles}: choose at least one an image")
        is_plain = isinstance(search.start, Prior) and search.preconditioner is None
        if not is_plain or isinstance(search.step_size, Adaptive):
            raise InputError(
                "the search of a ParticleCloud starts elsewhere than at the prior, or adapts its "
                "steps: give it a ShortRun with numbers for its steps and nothing else"
            )
        self.num_particles, self._search = num_particles, search
        bank = Bank(num_examples * num_particles)
        self._visit = dataclasses.replace(search, num_steps=1, start=bank)

    @property
    def state(self) -> dict:
        return self._visit.state

    def build(self, model: LatentModel):
        self._visit.build(model)

    def __call__(self, model: LatentModel, batch: Batch, seed: Seed) -> Posterior:
        """Makes one step for particles of training images, all steps of `search` for others."""
        return self.chain(model, batch, seed)

    def chain(
        self,
        model: LatentModel,
        batch: Batch,
        seed: Seed,
        times: float = 1,
        noise_scale: float | None = None,
    ) -> Posterior:
        """Infers as the call does; `times` multiplies the steps for images without particles."""
        if "index" in batch:
            return self._visit.chain(model, batch, seed, 1, noise_scale)
        return self._search.chain(model, batch, seed, times, noise_scale)

    def learn(self, model: LatentModel, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Stores the moved particles."""
        return self._visit.learn(model, batch, posterior, seed)

    def watch(self, model: LatentModel, batch: Batch, seed: Seed) -> Metrics:
        """Returns s lambda at three places of the chains of `search`, as `ShortRun` does."""
        return self._search.watch(model, batch, seed)
