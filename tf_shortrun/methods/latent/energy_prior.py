"""A generator whose prior on the latents is a learned energy.

    p(z) = exp(-E(z)) N(z; 0, I) / Z,    x ~ N(g(z), sigma^2 I)

Z is unknown, so every density here is known up to this constant only. `sample_latents` draws from
N(0, I), where chains start. See `methods/latent/latent_energy.py`.

References: B. Pang, T. Han, E. Nijkamp, S.-C. Zhu, Y. N. Wu, Learning latent space energy-based
prior model, NeurIPS 2020.
"""

from typing import cast

import keras
import tensorflow as tf

from tf_shortrun.core.capabilities import can, only_if
from tf_shortrun.core.contracts import StartsAtMean
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Latents
from tf_shortrun.methods.latent.latent_model import LatentModel, NormalPriorModel


class EnergyPrior(LatentModel):
    """A `LatentModel` with the prior exp(-E(z)) N(z; 0, I) / Z.

    Args:
      generator: the model p(x | z) of the images.
      network: the energy E: all latents in one vector [B, d] -> [B, 1].
    """

    def __init__(self, generator: NormalPriorModel, network: keras.Model):
        super().__init__(generator.latent_widths, float(generator.sigma.numpy()))
        if generator.label_codes is not None:
            raise InputError("an EnergyPrior takes a generator without label_codes: leave them out")
        self.generator, self.network = generator, network
        network.build([None, sum(generator.latent_widths)])
        self._finish()

    def call(self, latents: Latents) -> tf.Tensor:
        return self.generator(latents)

    @only_if(lambda self: can(self.generator, StartsAtMean))
    def start_at(self, mean: tf.Tensor):
        """Lets the generator begin at the mean colour of the data."""
        cast(StartsAtMean, self.generator).start_at(mean)

    def energy(self, latents: Latents) -> tf.Tensor:
        """Returns E(z): [B], nats, lower for latents of the data."""
        return self.network(tf.concat(latents, axis=-1))[:, 0]

    def log_prior(self, latents: Latents) -> tf.Tensor:
        """Returns -E(z) + log N(z; 0, I): [B], nats, up to the constant -log Z."""
        return self.generator.log_prior(latents) - self.energy(latents)
