"""The base class of learners of a `LatentModel`, for any inference and any objective."""

import abc
from collections.abc import Callable
from typing import cast

import keras
import tensorflow as tf

from tf_shortrun.core.capabilities import can, only_if
from tf_shortrun.core.contracts import StartsAtMean
from tf_shortrun.core.means import over_replicas
from tf_shortrun.core.passes import Passes
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.methods.latent.inference import (
    AdaptiveInference,
    ChainInference,
    Inference,
    WatchedInference,
)
from tf_shortrun.methods.latent.label_codes import LabelCodes
from tf_shortrun.methods.latent.latent_model import LatentModel


class LatentLearner(abc.ABC):
    """An abstract learner of a `LatentModel`: a subclass defines its update and its prior draws.

    It offers no densities: `density_learner.py` adds them.

    Attributes:
      model: the generator.
      inference: an `Inference`, see `methods/latent/inference.py`.
      optimizer: a Keras optimizer.
      sigma_rule: rule for the observation noise sigma (see `sigma.py`); None keeps sigma.
    """

    model: LatentModel
    inference: Inference
    optimizer: keras.optimizers.Optimizer

    def __init__(
        self,
        model: LatentModel,
        inference: Inference,
        optimizer: keras.optimizers.Optimizer,
        sigma_rule: Callable | None = None,
    ):
        self.model, self.inference, self.optimizer = model, inference, optimizer
        self.sigma_rule = sigma_rule
        inference.build(model)
        # Slots must be created under the strategy's scope: inside a compiled step that would fail.
        optimizer.build(self.variables)

    @property
    @abc.abstractmethod
    def variables(self) -> list[keras.Variable]:
        """The variables that the optimizer updates."""

    @property
    @abc.abstractmethod
    def state(self) -> dict:
        """The state of model, optimizers and inference, by name."""

    @abc.abstractmethod
    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update of the parameters and returns its metrics."""

    @abc.abstractmethod
    def sample_latents(self, num, seed: Seed) -> Latents:
        """Returns `num` draws from the prior: [num, d_l] for each layer."""

    @abc.abstractmethod
    def passes(self, image: tf.Tensor) -> list[Passes]:
        """Returns the passes of one update for one example."""

    @abc.abstractmethod
    def passes_to_infer(self, image: tf.Tensor) -> list[Passes]:
        """Returns the passes of inference alone for one example."""

    def update_sigma(self, mse: tf.Tensor):
        """Updates sigma by its rule, from the MSE of the batch averaged over replicas."""
        if self.sigma_rule is not None:
            step = self.optimizer.iterations
            sigma = self.sigma_rule(self.model.sigma, step, over_replicas(mse))
            self.model.sigma.assign(sigma)

    @property
    def image_shape(self) -> tuple[int, ...]:
        return tuple(self.model.image_shape)

    @only_if(lambda self: can(self.inference, AdaptiveInference))
    def adapt(self, batch: Batch, seed: Seed) -> dict[str, tf.Tensor]:
        """Lets the inference choose its step sizes anew for the current model."""
        return cast(AdaptiveInference, self.inference).adapt(self.model, batch, seed)

    @only_if(lambda self: can(self.inference, WatchedInference))
    def watch(self, batch: Batch, seed: Seed) -> Metrics:
        """Returns what the inference measures now and then."""
        return cast(WatchedInference, self.inference).watch(self.model, unnamed(batch), seed)

    @only_if(lambda self: can(self.model, StartsAtMean))
    def start_at(self, mean: tf.Tensor):
        """Lets the generator begin at the mean colour of the data."""
        cast(StartsAtMean, self.model).start_at(mean)

    @property
    def chain_steps(self) -> int:
        return self.inference.num_steps

    def infer(self, batch: Batch, seed: Seed) -> Latents:
        return self.inference(self.model, unnamed(batch), seed).latents

    @only_if(lambda self: can(self.inference, ChainInference))
    def infer_by_chain(
        self, batch: Batch, seed: Seed, times: float, noise_scale: float | None = None
    ) -> Latents:
        inference = cast(ChainInference, self.inference)
        return inference.chain(self.model, unnamed(batch), seed, times, noise_scale).latents

    def decode(self, latents: Latents) -> tf.Tensor:
        return tf.clip_by_value(self.model(latents), -1.0, 1.0)

    def sample(self, num, seed: Seed) -> tf.Tensor:
        return self.decode(self.sample_latents(num, seed))

    @only_if(lambda self: self.model.label_codes is not None)
    def sample_of(self, labels: tf.Tensor, seed: Seed) -> tf.Tensor:
        return self.decode(self.model.sample_latents(tf.shape(labels)[0], seed, labels))

    @only_if(lambda self: self.model.label_codes is not None)
    def label_counts(self) -> tf.Tensor:
        """Returns how many examples of each label were learned from, with repetitions: [C]."""
        return tf.convert_to_tensor(cast(LabelCodes, self.model.label_codes).counts)

    def reconstruct(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.decode(self.infer(batch, seed))

    def inpaint(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.decode(self.infer(batch, seed))

    def _passes_to_infer(self, image: tf.Tensor) -> list[Passes]:
        """Returns K forward and backward passes of the generator, one forward pass per encoder."""
        encoders = [Passes(1, encoder, [image]) for encoder in self._encoders]
        return [Passes(2 * self.chain_steps, self.decode, [self._latents]), *encoders]

    def _passes_to_learn(self, image: tf.Tensor) -> list[Passes]:
        """Returns passes of the update; the encoder's forward pass is counted with inference."""
        encoders = [Passes(2, encoder, [image]) for encoder in self._encoders]
        return [Passes(3, self.decode, [self._latents]), *encoders]

    @property
    def _encoders(self) -> list[keras.Model]:
        return [part for part in self.inference.state.values() if isinstance(part, keras.Model)]

    @property
    def _latents(self) -> Latents:
        return [tf.zeros([1, width]) for width in self.model.latent_widths]


def unnamed(batch: Batch) -> Batch:
    """Returns only image and mask: without `index` an example is not of the training split."""
    return {name: batch[name] for name in ("image", "mask") if name in batch}
