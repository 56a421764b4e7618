"""The contract of inference, and what it returns."""

from typing import NamedTuple, Protocol

import tensorflow as tf

from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.methods.latent.latent_model import LatentModel


class Posterior(NamedTuple):
    """What inference found for each example of a batch.

    latents: one draw for each example, [B, d_l] per layer, constant to every tape.
    info: what the method recorded on its way (for a chain: one entry per step).
    metrics: a few scalars to watch while training.
    """

    latents: Latents
    info: NamedTuple
    metrics: Metrics


class Inference(Protocol):
    """How a learner finds latents. Whatever it remembers or learns stays in here.

    What only some know is in the protocols below.
    """

    @property
    def state(self) -> dict[str, tf.__internal__.tracking.Trackable]:
        """What a checkpoint must hold, by name."""

    @property
    def num_steps(self) -> int:
        """K, the steps of its chain for a training batch, 0 if it has none; each is a gradient."""

    def build(self, model: LatentModel) -> None:
        """Makes the variables, if there are any, under the strategy's scope."""

    def __call__(self, model: LatentModel, batch: Batch, seed: Seed) -> Posterior:
        """One draw of latents for each example of `batch`.

        Only a batch of the training split may carry an `index`: it names an example that
        will come back.
        """

    def learn(self, model: LatentModel, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Called after every update of the model, with what was found for its batch."""


class ChainInference(Protocol):
    """An inference by a chain, which may be run longer or without noise."""

    def chain(
        self,
        model: LatentModel,
        batch: Batch,
        seed: Seed,
        times: float = 1,
        noise_scale: float | None = None,
    ) -> Posterior:
        """As the call, by `times` the steps; `noise_scale` None is as there, 0 is no noise."""


class AdaptiveInference(Protocol):
    """An inference that chooses anew what is too dear to choose at every update."""

    def adapt(self, model: LatentModel, batch: Batch, seed: Seed) -> dict[str, tf.Tensor]:
        """Called now and then, in replica context."""


class WeighedInference(Protocol):
    """An inference whose draws have a density."""

    def log_weights(self, model: LatentModel, batch: Batch, seed: Seed) -> tf.Tensor:
        """log p(x, z) - log q(z | x) at one draw for each example: [B], nats."""
