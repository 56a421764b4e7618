"""The protocols of inference, and its result."""

from typing import NamedTuple, Protocol

import tensorflow as tf

from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.methods.latent.latent_model import LatentModel


class Posterior(NamedTuple):
    """The result of inference for a batch.

    latents: one draw for each example, [B, d_l] per layer, through which no gradient flows.
    info: records of the method (for a chain: one entry per step).
    metrics: a few scalars to log in training.
    """

    latents: Latents
    info: NamedTuple
    metrics: Metrics


class Inference(Protocol):
    """An inference: it finds the latents of a batch, and keeps what it stores or learns.

    The protocols below are for abilities that only some inferences have.
    """

    @property
    def state(self) -> dict[str, tf.__internal__.tracking.Trackable]:
        """Everything that a checkpoint must hold, by name."""

    @property
    def num_steps(self) -> int:
        """K, gradient steps of the chain for a training batch; 0 without a chain."""

    @property
    def num_particles(self) -> int:
        """N, latents of each training image; 1 but for a cloud of particles."""

    def build(self, model: LatentModel) -> None:
        """Creates the variables, if any. Called under the scope of the strategy."""

    def __call__(self, model: LatentModel, batch: Batch, seed: Seed) -> Posterior:
        """Draws latents once for each example of `batch`.

        Only a batch of the training split may have an `index`. It identifies each example, which
        returns in later epochs.
        """

    def learn(self, model: LatentModel, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Learns from the `posterior` of `batch`. Called after every update of the model."""


def each_particle(batch: Batch, num_particles: int) -> Batch:
    """Returns a training batch of B N examples, an image and a place in the bank per particle.

    Particle n of example i has the index i N + n. The batch itself if N is 1.
    """
    if num_particles == 1:
        return batch
    copies = {name: tf.repeat(value, num_particles, axis=0) for name, value in batch.items()}
    first = num_particles * batch["index"][:, None]
    places = first + tf.range(num_particles, dtype=first.dtype)
    return copies | {"index": tf.reshape(places, [-1])}


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
        """Infers by `times` K steps; `noise_scale` None is that of training, 0 is no noise."""


class AdaptiveInference(Protocol):
    """An inference with settings that are too expensive to choose anew at every update."""

    def adapt(self, model: LatentModel, batch: Batch, seed: Seed) -> dict[str, tf.Tensor]:
        """Chooses them for the model as it is now. Called at intervals, in replica context."""


class WatchedInference(Protocol):
    """An inference with measurements that are too expensive for every update."""

    def watch(self, model: LatentModel, batch: Batch, seed: Seed) -> Metrics:
        """Returns the measurements. Called at intervals, in replica context."""


class WeighedInference(Protocol):
    """An inference whose draws have a density."""

    def log_weights(self, model: LatentModel, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns log p(x, z) - log q(z | x) at one draw for each example: [B], nats."""
