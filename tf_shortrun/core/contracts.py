"""The contract between learners and everybody who drives or judges them.

A learner is a plain object. `train` calls `train_step` on every replica; evals,
export and report use the rest, and only as far as the learner offers it: each
protocol below is one thing that a learner may know how to do. It knows how if and
only if it has the names, which `core/capabilities.py` finds out and demands; the
first line of a protocol says what its learners are.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import tensorflow as tf

from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed


class Learner(Protocol):
    """A learner of observations: what every method offers."""

    @property
    def state(self) -> dict[str, tf.__internal__.tracking.Trackable]:
        """Everything a checkpoint must hold, by a name that stays the same."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one observation: (H, W, C)."""

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """One update of the parameters, called in replica context."""

    def sample(self, num, seed: Seed) -> tf.Tensor:
        """`num` new observations [num, H, W, C] in [-1, 1]."""


class Staged(Protocol):
    """A learner whose first updates are others than `train_step`."""

    def update_at(self, step: int) -> Callable[[Batch, Seed], Metrics]:
        """The update of this step, from 1 on: the same method throughout a stage."""


class Adapts(Protocol):
    """A learner that now and then does more than an update, e.g. chooses its own step sizes."""

    def adapt(self, batch: Batch, seed: Seed) -> dict[str, tf.Tensor]:
        """Called in replica context before every `Experiment.adapt_every`-th update."""


class Reconstructs(Protocol):
    """A learner that explains a given observation."""

    def reconstruct(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """[B, H, W, C]."""


class Inpaints(Protocol):
    """A learner that explains an observation of which it has seen a part."""

    def inpaint(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """[B, H, W, C], all pixels its own; it reads `batch["image"]` where `batch["mask"]`."""


class HasLatents(Protocol):
    """A learner whose observations are decoded from a nest of latents, top to bottom."""

    def sample_latents(self, num, seed: Seed) -> Latents:
        """Latents from the prior, [num, d_l] each."""

    def infer(self, batch: Batch, seed: Seed) -> Latents:
        """Latents that explain the batch, [B, d_l] each."""

    def decode(self, latents: Latents) -> tf.Tensor:
        """[B, H, W, C] in [-1, 1]."""


class RunsChain(HasLatents, Protocol):
    """A learner that infers by a chain, which may be run longer or without noise."""

    def infer_by_chain(
        self, batch: Batch, seed: Seed, times: float, noise_scale: float | None = None
    ) -> Latents:
        """As `infer`, by `times` the steps; `noise_scale` None is as there, 0 is no noise."""


class Passes(NamedTuple):
    """`work` at `arguments`, `number` times; back to the arguments, and to weights, is as much."""

    number: int
    work: Callable
    arguments: Sequence[tf.Tensor | Latents]


class CountsPasses(Protocol):
    """A learner that knows what its updates compute, so that their arithmetic can be counted."""

    @property
    def chain_steps(self) -> int:
        """K, the steps of the chain that infers in training; 0 where none does."""

    def passes(self, image: tf.Tensor) -> list[Passes]:
        """What an update computes for one example, a batch [1, ...]."""


class HasSecondStage(CountsPasses, Protocol):
    """A learner that goes on with other updates after the first."""

    num_first_steps: int

    def second_passes(self, image: tf.Tensor) -> list[Passes]:
        """What one of the other updates computes, likewise."""


class HasDensity(HasLatents, Protocol):
    """A learner that can say how probable latents and observation are together."""

    def log_prior(self, latents: Latents) -> tf.Tensor:
        """log p(z): [B], nats, normalised."""

    def log_joint(self, latents: Latents, batch: Batch) -> tf.Tensor:
        """log p(x, z): [B], nats, normalised; differentiable in the latents."""


class Weighs(Protocol):
    """A learner whose inference draws latents with a density, so that it can be corrected."""

    def log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """log p(x, z) - log q(z | x) at one draw z ~ q for each example: [B], nats."""


class LacksPartition(Protocol):
    """A learner whose latents have a density up to a constant: exp(-F(z)) / Z, bits z [B, m]."""

    def prior_path(self):
        """Leads to exp(-F) from independent bits, as `GeometricPath` of `methods/binary/rbm.py`."""

    def sample_latents(self, num, seed: Seed) -> Latents:
        """Draws from exp(-F) / Z by long chains, one layer: [[num, m]]."""

    def unnormalised_log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """log p(x, z) + log Z - log q(z | x) at one draw z ~ q for each example: [B], nats."""


class Walks(Protocol):
    """A learner that leaves the data by a walk and samples by walking back, and on."""

    def heat(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """The walk away from the batch, data first: [K + 1, B, ...]."""

    def cool(self, num, seed: Seed) -> tf.Tensor:
        """A walk back from the start of sampling, samples last: [K + 1, num, ...]."""

    def walk(self, state: tf.Tensor, num_steps: int, seed: Seed) -> tf.Tensor:
        """[B, ...] after `num_steps` more steps from `state` as at the end of sampling."""


class Scores(Protocol):
    """A learner that says how little an observation is like the data."""

    def score(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """[B], higher for what is less like the data."""


class HasEnergy(Protocol):
    """A learner of p(x) = exp(-E(x)) / Z with an unknown Z."""

    def energy(self, observations: tf.Tensor) -> tf.Tensor:
        """E(x): [B], nats."""


class GuidesLatents(HasEnergy, Protocol):
    """A learner with an energy for what it decodes from one vector of latents."""

    def sample_latents(self, num, seed: Seed) -> tf.Tensor:
        """Latents from the prior N(0, I): [num, d]."""

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        """[B, ...], differentiable in the latents [B, d], not clipped."""
