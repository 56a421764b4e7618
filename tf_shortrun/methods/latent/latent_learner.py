"""What every learner of a `LatentModel` offers, whatever its inference and its objective are."""

import abc
from collections.abc import Callable
from typing import cast

import keras
import tensorflow as tf

from tf_shortrun.core.capabilities import can, only_if
from tf_shortrun.core.contracts import Passes
from tf_shortrun.core.means import over_replicas
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.methods.latent.inference import AdaptiveInference, ChainInference, Inference
from tf_shortrun.methods.latent.latent_model import LatentModel


class LatentLearner(abc.ABC):
    """Abstract: a subclass says what is learned, where samples come from, and what that costs.

    Densities are not here: `density_learner.py` has them.

    Attributes:
      model: the generator.
      inference: an `Inference`, see `methods/latent/inference.py`.
      optimizer: a Keras optimizer.
      sigma_rule: how the observation noise changes (see `sigma.py`); None keeps it.
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
        # Here, under the strategy's scope: slots made inside a compiled step would fail.
        optimizer.build(self.variables)

    @property
    @abc.abstractmethod
    def variables(self) -> list[keras.Variable]:
        """What the optimizer changes."""

    @property
    @abc.abstractmethod
    def state(self) -> dict:
        """That of model, optimizers and inference, by name."""

    @abc.abstractmethod
    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """One update."""

    @abc.abstractmethod
    def sample_latents(self, num, seed: Seed) -> Latents:
        """`num` draws from the prior: [num, d_l] for each layer."""

    @abc.abstractmethod
    def passes(self, image: tf.Tensor) -> list[Passes]:
        """What an update computes for one example."""

    @abc.abstractmethod
    def passes_to_infer(self, image: tf.Tensor) -> list[Passes]:
        """What inference alone computes for one example."""

    def update_sigma(self, mse: tf.Tensor):
        """By the rule, after an update in which this replica had this error."""
        if self.sigma_rule is not None:
            step = self.optimizer.iterations
            sigma = self.sigma_rule(self.model.sigma, step, over_replicas(mse))
            self.model.sigma.assign(sigma)

    @property
    def image_shape(self) -> tuple[int, ...]:
        return tuple(self.model.image_shape)

    @only_if(lambda self: can(self.inference, AdaptiveInference))
    def adapt(self, batch: Batch, seed: Seed) -> dict[str, tf.Tensor]:
        """Lets the inference choose its step sizes for the model as it is now."""
        return cast(AdaptiveInference, self.inference).adapt(self.model, batch, seed)

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

    def reconstruct(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.decode(self.infer(batch, seed))

    def inpaint(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.decode(self.infer(batch, seed))

    def _passes_to_infer(self, image: tf.Tensor) -> list[Passes]:
        """Of generator and encoders: K steps forth and back, and once through every encoder."""
        encoders = [Passes(1, encoder, [image]) for encoder in self._encoders]
        return [Passes(2 * self.chain_steps, self.decode, [self._latents]), *encoders]

    def _passes_to_learn(self, image: tf.Tensor) -> list[Passes]:
        """Of generator and encoders, forth and back; once through an encoder is inference."""
        encoders = [Passes(2, encoder, [image]) for encoder in self._encoders]
        return [Passes(3, self.decode, [self._latents]), *encoders]

    @property
    def _encoders(self) -> list[keras.Model]:
        return [part for part in self.inference.state.values() if isinstance(part, keras.Model)]

    @property
    def _latents(self) -> Latents:
        return [tf.zeros([1, width]) for width in self.model.latent_widths]


def unnamed(batch: Batch) -> Batch:
    """What the inference may see of an example that is not one of the training split."""
    return {name: batch[name] for name in ("image", "mask") if name in batch}
