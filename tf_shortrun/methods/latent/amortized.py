"""Encoders: one pass of a network gives a draw of the latents and the density of the draw.

    MeanField  q(z | x) = prod_l N(z_l; m_l(x), s_l(x)^2)                 each layer on its own
    Ladder     q(z | x) = prod_l N(z_l; merged with p(z_l | z_above))     from the top down
    Point      z = m(x)                                                   an auto-encoder

All latents are in noise space. The ladder multiplies the Gaussian that the encoder gives for z_l
with p(z_l | z_above): precisions add up, and each mean is weighted by its precision. The top layer
is multiplied with its prior. The draw is differentiable in the encoder and in the model, as the
evidence bound needs it (`methods/latent/evidence_bound.py`).

References: D. P. Kingma, M. Welling, Auto-encoding variational Bayes, ICLR 2014. C. K. Sonderby,
T. Raiko, L. Maaloe, S. K. Sonderby, O. Winther, Ladder variational autoencoders, NeurIPS 2016.
"""

import abc
from collections.abc import Callable

import keras
import tensorflow as tf

from tf_shortrun.core import nest, noise
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.methods.latent.inference import Posterior
from tf_shortrun.methods.latent.latent_model import LatentModel
from tf_shortrun.methods.latent.proposal import GaussianProposal, log_normal
from tf_shortrun.methods.latent.top_down import TopDownGenerator


class Encoder(abc.ABC):
    """An abstract `Inference` by a network: a subclass defines `draw`.

    Args:
      network: `width -> Keras network`, see `GaussianProposal`.
    """

    num_steps = 0
    num_particles = 1

    def __init__(self, network: Callable):
        self._proposal = GaussianProposal(network)

    @abc.abstractmethod
    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> tuple[Latents, tf.Tensor]:
        """Returns (z, log q(z | x) [B]), differentiable in the encoder and in the model."""

    @property
    def state(self) -> dict:
        return {"encoder": self._proposal.network}

    @property
    def variables(self) -> list[keras.Variable]:
        return self._proposal.network.trainable_variables

    def build(self, model: LatentModel):
        self._proposal.build(model)

    def __call__(self, model: LatentModel, batch: Batch, seed: Seed) -> Posterior:
        """Returns one draw, through which no gradient flows."""
        latents, _ = self.draw(model, batch, seed)
        return Posterior(nest.stop_gradient(latents), (), {})

    def learn(self, model: LatentModel, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Does nothing: the encoder learns together with the model."""
        del model, batch, posterior, seed
        return {}


class RandomEncoder(Encoder, abc.ABC):
    """An abstract encoder whose draws have a density."""

    def log_weights(self, model: LatentModel, batch: Batch, seed: Seed) -> tf.Tensor:
        latents, log_q = self.draw(model, batch, seed)
        return model.log_joint(latents, batch["image"], batch.get("mask")) - log_q


class MeanField(RandomEncoder):
    """The encoder q(z | x) = prod_l N(z_l; m_l(x), s_l(x)^2)."""

    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> tuple[Latents, tf.Tensor]:
        del model
        latents = self._proposal.draw(batch, seed)
        return latents, self._proposal.log_prob(batch, latents)


class Point(Encoder):
    """The encoder z = m(x). It has no density: `draw` returns 0 for log q(z | x)."""

    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> tuple[Latents, tf.Tensor]:
        del model, seed
        means, _ = self._proposal.moments(batch)
        return means, tf.zeros([tf.shape(means[0])[0]])


class Ladder(RandomEncoder):
    """The ladder encoder of a `TopDownGenerator` with Gaussian conditionals, see the module."""

    def draw(self, model: TopDownGenerator, batch: Batch, seed: Seed) -> tuple[Latents, tf.Tensor]:
        means, log_stds = self._proposal.moments(batch)
        log_q = []

        def choose(layer, prior_mean, prior_std):
            mean, std = merged(means[layer], tf.exp(log_stds[layer]), prior_mean, prior_std)
            xi = noise.normal(noise.fold(seed, layer), [tf.shape(mean)[0], mean.shape[1]])
            eps = (mean - prior_mean + std * xi) / prior_std
            log_q.append(
                log_normal(eps, (mean - prior_mean) / prior_std, tf.math.log(std / prior_std))
            )
            return eps

        return model.explain(choose), tf.add_n(log_q)


def merged(mean, std, prior_mean, prior_std) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns mean and standard deviation of the normalised product of two Gaussians."""
    precision, prior_precision = std**-2, prior_std**-2
    variance = 1.0 / (precision + prior_precision)
    return variance * (mean * precision + prior_mean * prior_precision), tf.sqrt(variance)
