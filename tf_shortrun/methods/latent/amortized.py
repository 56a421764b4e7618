"""Latents that an encoder finds in one pass, with the density of what it drew.

    MeanField  q(z | x) = prod_l N(z_l; m_l(x), s_l(x)^2)                 every layer by itself
    Ladder     q(z | x) = prod_l N(z_l; merged with p(z_l | z_above))     from the top down
    Point      z = m(x)                                                   an auto-encoder

All in noise space, as everywhere. The ladder multiplies what the image says of z_l with what the
layers above say: precisions add up, means are weighted with them. Its top layer, too, meets its
prior. The draw is differentiable in the encoder and in the model: a learner of the evidence bound
needs that (`methods/latent/evidence_bound.py`).

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
    """Abstract `Inference`: a subclass defines `draw`.

    Args:
      network: `width -> Keras network`, see `GaussianProposal`.
    """

    num_steps = 0

    def __init__(self, network: Callable):
        self._proposal = GaussianProposal(network)

    @abc.abstractmethod
    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> tuple[Latents, tf.Tensor]:
        """(z, log q(z | x) [B]), differentiable in the encoder and in the model."""

    @property
    def state(self) -> dict:
        return {"encoder": self._proposal.network}

    @property
    def variables(self) -> list[keras.Variable]:
        return self._proposal.network.trainable_variables

    def build(self, model: LatentModel):
        self._proposal.build(model)

    def __call__(self, model: LatentModel, batch: Batch, seed: Seed) -> Posterior:
        """A draw, constant to every tape."""
        latents, _ = self.draw(model, batch, seed)
        return Posterior(nest.stop_gradient(latents), (), {})

    def learn(self, model: LatentModel, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Nothing: the encoder learns with the model."""
        del model, batch, posterior, seed
        return {}


class RandomEncoder(Encoder, abc.ABC):
    """Abstract: its draws have a density."""

    def log_weights(self, model: LatentModel, batch: Batch, seed: Seed) -> tf.Tensor:
        latents, log_q = self.draw(model, batch, seed)
        return model.log_joint(latents, batch["image"], batch.get("mask")) - log_q


class MeanField(RandomEncoder):
    """See above."""

    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> tuple[Latents, tf.Tensor]:
        del model
        latents = self._proposal.draw(batch, seed)
        return latents, self._proposal.log_prob(batch, latents)


class Point(Encoder):
    """See above; it has no density, and 0 takes its place."""

    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> tuple[Latents, tf.Tensor]:
        del model, seed
        means, _ = self._proposal.moments(batch)
        return means, tf.zeros([tf.shape(means[0])[0]])


class Ladder(RandomEncoder):
    """See above; for a `TopDownGenerator` with Gaussian conditionals."""

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
    """Mean and standard deviation of the normalised product of two Gaussian distributions."""
    precision, prior_precision = std**-2, prior_std**-2
    variance = 1.0 / (precision + prior_precision)
    return variance * (mean * precision + prior_mean * prior_precision), tf.sqrt(variance)
