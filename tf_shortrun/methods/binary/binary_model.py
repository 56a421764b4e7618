"""Deep generators with binary latents: an undirected prior and a directed decoder.

    p(x, z) = p(x | z) exp(-F(z)) / Z,     z in {0, 1}^m
    q(z | x) = prod_g q(z_g | z_1 .. z_{g-1}, x),     each factor independent bits

This design follows the abstract of Hu and Salakhutdinov; the rest of the paper was not available.
The input of the decoder is z alone, as -1 and 1. The hidden units belong to the prior only.

References: H. Hu, R. Salakhutdinov, Learning deep generative models with discrete latent
variables, ICLR 2018 submission. G. Hinton, S. Osindero, Y. W. Teh, A fast learning algorithm for
deep belief nets, Neural Computation 2006.
"""

import functools
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.binary.rbm import RestrictedBoltzmann


class BinaryGenerator(keras.Model):
    """The model p(x, z): a prior of codes z and a network that decodes them.

    Args:
      prior: prior of z.
      decoder: network from z as -1 and 1, [B, m], to the parameters of p(x | z).
      observation: function of these parameters that returns p(x | z), see
        `networks/observation.py`.
    """

    def __init__(
        self,
        prior: RestrictedBoltzmann,
        decoder: keras.Model,
        observation: Callable[[tf.Tensor], tfd.Distribution],
    ):
        super().__init__()
        self.prior, self.decoder, self.observation = prior, decoder, observation
        distribution = self.likelihood(tf.zeros([1, prior.num_visible]))
        self.image_shape = tuple(distribution.event_shape)

    def likelihood(self, z: tf.Tensor) -> tfd.Distribution:
        """Returns p(x | z): batch shape [B], event shape that of an observation."""
        return self.observation(self.decoder(2.0 * z - 1.0))

    def log_joint(self, z: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
        """Returns log p(x, z) + log Z: [B], nats."""
        return self.likelihood(z).log_prob(x) + self.prior.log_unnormalised(z)


class BinaryPosterior(keras.Model):
    """The posterior q(z | x) by groups of bits of equal size; one group gives independent bits.

    Args:
      trunk: network from observations to features [B, f].
      make_head: `make_head(outputs=w)`, a network from features and the previous groups, as -1
        and 1, to the logits of the next group.
      num_latents: m.
      num_groups: number of groups; it must divide m.

    Raises:
      InputError: if `num_groups` does not divide m.
    """

    def __init__(
        self,
        trunk: keras.Model,
        make_head: Callable[..., keras.Model],
        num_latents: int,
        num_groups: int,
        image_shape: Sequence[int],
    ):
        super().__init__()
        if num_groups < 1 or num_latents % num_groups:
            raise InputError(
                f"num_latents is {num_latents} and num_groups {num_groups}: "
                "choose groups of equal size"
            )
        self.trunk = trunk
        width = num_latents // num_groups
        self.heads = [make_head(outputs=width) for _ in range(num_groups)]
        groups = []
        for conditional in self.conditionals(tf.zeros([1, *image_shape])):
            groups.append(conditional(groups))

    def conditionals(self, x: tf.Tensor) -> list[Callable]:
        """Returns for each group the function from previous groups, [B, w] each, to its logits."""
        features = self.trunk(x)
        return [functools.partial(_logits, head, features) for head in self.heads]


def _logits(head: keras.Model, features: tf.Tensor, before: Sequence[tf.Tensor]) -> tf.Tensor:
    return head(tf.concat([features, *(2.0 * z - 1.0 for z in before)], axis=-1))
