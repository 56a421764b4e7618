"""The three networks of an energy-based model with a generator.

    energy     E(x)     -> [B]     p(x) = exp(-E(x)) / Z
    generator  G(z)     -> x       z ~ N(0, I)
    statistic  T(x, z)  -> [B]     distinguishes pairs (G(z), z) from independent pairs

References: R. Kumar, S. Ozair, A. Goyal, A. Courville, Y. Bengio, Maximum entropy generators
for energy-based models, arXiv 1901.08508.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed


class Energy(keras.Model):
    """The energy E(x) of observations [B, *state_shape], by a network with one output."""

    def __init__(self, network: keras.Model, state_shape: Sequence[int]):
        super().__init__()
        self.network, self.state_shape = network, tuple(state_shape)
        shape = self.network(tf.zeros([1, *state_shape])).shape
        if shape != (1, 1):
            raise InputError(
                f"the network of an energy has outputs {shape[1:]}: make it one number"
            )

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.network(x)[:, 0]

    def energy(self, x: tf.Tensor) -> tf.Tensor:
        """Returns E(x): [B]."""
        return self(x)


class Generator(keras.Model):
    """The generator G from z [B, latent_width] to observations, without observation noise."""

    def __init__(self, network: keras.Model, latent_width: int):
        super().__init__()
        if latent_width < 1:
            raise InputError(f"latent_width is {latent_width}: choose a positive width")
        self.network, self.latent_width = network, latent_width
        self.state_shape = tuple(self.network(tf.zeros([1, latent_width])).shape[1:])

    def call(self, latents: tf.Tensor) -> tf.Tensor:
        return self.network(latents)

    def sample_latents(self, num, seed: Seed) -> tf.Tensor:
        """Returns `num` draws from the prior: [num, latent_width]."""
        return noise.normal(seed, [num, self.latent_width])


class Statistic(keras.Model):
    """The statistic T(x, z), a network of z and of features of x.

    Args:
      trunk: network from x to features [B, F].
      head: network from [features, z] to one number.
    """

    def __init__(
        self,
        trunk: keras.Layer,
        head: keras.Layer,
        state_shape: Sequence[int],
        latent_width: int,
    ):
        super().__init__()
        self.trunk, self.head = trunk, head
        self([tf.zeros([1, *state_shape]), tf.zeros([1, latent_width])])

    def call(self, pair) -> tf.Tensor:
        x, z = pair
        return self.head(tf.concat([self.trunk(x), z], axis=-1))[:, 0]
