"""A Gaussian distribution of all latents, whose moments a network computes from the image.

    q(z | x) = N(m(x), diag exp(2 r(x)))

Hidden pixels are set to 0 in the input of the network.
"""

import math
from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.shapes import Batch, Latents, Seed
from tf_shortrun.methods.latent.latent_model import LatentModel


class GaussianProposal:
    """The distribution q(z | x) of all layers together.

    Args:
      network: `width -> Keras network` from images to [B, width]. Here width = 2 d, with
        d = sum_l d_l: the first half is m, the second r.
      is_narrow: whether no width exceeds 1, that of the prior. Where the network says more, r is 0
        but keeps its gradient, so that the width can become smaller again.
    """

    def __init__(self, network: Callable, is_narrow: bool = False):
        self._make_network, self._is_narrow = network, is_narrow

    def build(self, model: LatentModel):
        self._widths = model.latent_widths
        self.network = self._make_network(2 * sum(self._widths))
        self.network.build([None, *model.image_shape])

    def moments(self, batch: Batch) -> tuple[Latents, Latents]:
        """Returns (m, r), each [B, d_l] for each layer."""
        image = batch["image"]
        if "mask" in batch:
            image = tf.where(batch["mask"], image, 0.0)
        mean, log_std = tf.split(tf.cast(self.network(image), tf.float32), 2, axis=-1)
        if self._is_narrow:
            log_std -= tf.stop_gradient(tf.nn.relu(log_std))
        return tf.split(mean, self._widths, axis=-1), tf.split(log_std, self._widths, axis=-1)

    def draw(self, batch: Batch, seed: Seed) -> Latents:
        """Draws m + exp(r) xi, differentiable in the network."""
        mean, log_std = (tf.concat(x, axis=-1) for x in self.moments(batch))
        xi = noise.normal(seed, [tf.shape(mean)[0], mean.shape[1]])
        return tf.split(mean + tf.exp(log_std) * xi, self._widths, axis=-1)

    def log_prob(self, batch: Batch, latents: Latents) -> tf.Tensor:
        """Returns log q(z | x): [B], nats."""
        moments = zip(latents, *self.moments(batch), strict=True)
        return tf.add_n([log_normal(z, mean, log_std) for z, mean, log_std in moments])


def log_normal(z: tf.Tensor, mean: tf.Tensor, log_std: tf.Tensor) -> tf.Tensor:
    """Returns log N(z; mean, diag exp(2 log_std)): [B], nats."""
    distance = ((z - mean) * tf.exp(-log_std)) ** 2
    return -tf.reduce_sum(0.5 * distance + log_std + 0.5 * math.log(2 * math.pi), axis=-1)
