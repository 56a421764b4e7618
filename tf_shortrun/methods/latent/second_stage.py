"""A second stage: a model of the inferred latents, fitted after the model of the images.

    first stage     the learner of the images, unchanged
    second stage    another learner on the latents z_b that the first learner, now fixed, infers
    sampling        z from the second learner, x = g(z)

If the prior differs from the distribution of the encodings, even a good decoder makes poor samples.
A second stage replaces the prior. An auto-encoder needs one, since it has no prior at all.

References: B. Dai, D. Wipf, Diagnosing and enhancing VAE models, ICLR 2019. P. Ghosh et al., From
variational to deterministic autoencoders, ICLR 2020. P. Bojanowski et al., Optimizing the latent
space of generative networks, ICML 2018.
"""

from collections.abc import Callable
from typing import Protocol, cast

import keras
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can, only_if
from tf_shortrun.core.contracts import RunsChain, StartsAtMean
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.passes import Passes
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.methods.latent.inference import each_particle
from tf_shortrun.methods.latent.latent_learner import LatentLearner
from tf_shortrun.methods.latent.mixture import GaussianMixture


class LatentDistribution(Protocol):
    """A learner of vectors: an `EvidenceBound` whose decoder outputs vectors, `MixtureFit`, ..."""

    @property
    def state(self) -> dict: ...

    @property
    def image_shape(self) -> tuple[int, ...]: ...

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update on the vectors `batch["image"]`."""

    def passes(self, image: tf.Tensor) -> list[Passes]:
        """Returns the passes of one update for one vector [1, d]."""

    def draw(self, num, seed: Seed) -> tf.Tensor:
        """Draws `num` vectors, [num, d], with the noise of the observation if there is any."""


class LabelDistribution(LatentDistribution, Protocol):
    """A learner of vectors that draws those of a given label: `LabelGaussians`."""

    def draw_of(self, labels: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Draws a vector for each label: int32 [num] -> [num, d]."""

    def label_counts(self) -> tf.Tensor:
        """Returns how many examples of label 0, 1, ... it has seen: [number of labels]."""


class MixtureFit:
    """A `LatentDistribution`: a mixture of Gaussians, fitted by maximum likelihood."""

    def __init__(self, model: GaussianMixture, optimizer: keras.optimizers.Optimizer):
        self.model, self.optimizer = model, optimizer
        optimizer.build(model.trainable_variables)

    @property
    def state(self) -> dict:
        return {"model": self.model, "optimizer": self.optimizer}

    @property
    def image_shape(self) -> tuple[int, ...]:
        return tuple(self.model.image_shape)

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update. loss: mean -log p(z), nats."""
        del seed
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.model.log_prob(batch["image"]))
        descend(self.optimizer, self.model.trainable_variables, loss, tape)
        return {"loss": loss}

    def passes(self, image: tf.Tensor) -> list[Passes]:
        return [Passes(3, self.model.log_prob, [image])]

    def draw(self, num, seed: Seed) -> tf.Tensor:
        return self.model.draw(num, seed)


class SecondStage:
    """A learner of images whose prior is a second learner, fitted to the inferred latents.

    Args:
      first: the learner of the images.
      second: the learner of the latents, all layers concatenated into one vector.
      num_first_steps: updates of the first stage; all later updates are of the second stage.
    """

    def __init__(self, first: LatentLearner, second: LatentDistribution, num_first_steps: int):
        width = sum(first.model.latent_widths)
        if tuple(second.image_shape) != (width,):
            raise InputError(
                f"the second stage makes {tuple(second.image_shape)} but there are {width} latents"
            )
        self.first, self.second, self.num_first_steps = first, second, num_first_steps

    @property
    def state(self) -> dict:
        second = {f"second_{name}": part for name, part in self.second.state.items()}
        return {**self.first.state, **second}

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self.first.image_shape

    @only_if(lambda self: can(self.first, StartsAtMean))
    def start_at(self, mean: tf.Tensor):
        """Lets the generator of the first stage begin at the mean colour of the data."""
        cast(StartsAtMean, self.first).start_at(mean)

    def update_at(self, step: int) -> Callable:
        """Returns the `train_step` of the stage of update `step`, counted from 1."""
        return self.first.train_step if step <= self.num_first_steps else self.train_step

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update of the second stage."""
        seeds = noise.split(seed, 2)
        batch = each_particle(batch, self.first.inference.num_particles)
        posterior = self.first.inference(self.first.model, batch, seeds[0])
        vectors = {"image": tf.concat(posterior.latents, axis=-1)}
        labels = {"label": batch["label"]} if "label" in batch else {}
        return self.second.train_step(vectors | labels, seeds[1])

    @property
    def chain_steps(self) -> int:
        return self.first.chain_steps

    def passes(self, image: tf.Tensor) -> list[Passes]:
        return self.first.passes(image)

    def second_passes(self, image: tf.Tensor) -> list[Passes]:
        """Returns the passes of inference by the first learner and an update of the second."""
        vector = tf.zeros([1, *self.second.image_shape])
        passes = [*self.first.passes_to_infer(image), *self.second.passes(vector)]
        return passes * self.first.inference.num_particles

    def sample_latents(self, num, seed: Seed) -> Latents:
        return self._layers(self.second.draw(num, seed))

    @only_if(lambda self: can(self.second, LabelDistribution))
    def sample_of(self, labels: tf.Tensor, seed: Seed) -> tf.Tensor:
        return self.decode(self._layers(cast(LabelDistribution, self.second).draw_of(labels, seed)))

    @only_if(lambda self: can(self.second, LabelDistribution))
    def label_counts(self) -> tf.Tensor:
        return cast(LabelDistribution, self.second).label_counts()

    def infer(self, batch: Batch, seed: Seed) -> Latents:
        return self.first.infer(batch, seed)

    @only_if(lambda self: can(self.first, RunsChain))
    def infer_by_chain(
        self, batch: Batch, seed: Seed, times: float, noise_scale: float | None = None
    ) -> Latents:
        return self.first.infer_by_chain(batch, seed, times, noise_scale)

    def decode(self, latents: Latents) -> tf.Tensor:
        return self.first.decode(latents)

    def sample(self, num, seed: Seed) -> tf.Tensor:
        return self.decode(self.sample_latents(num, seed))

    def _layers(self, vectors: tf.Tensor) -> Latents:
        return tf.split(vectors, self.first.model.latent_widths, axis=-1)

    def reconstruct(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.decode(self.infer(batch, seed))

    def inpaint(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.decode(self.infer(batch, seed))
