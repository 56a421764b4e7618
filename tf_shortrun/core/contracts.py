"""The contract between learners and the code that trains, evaluates and exports them.

A learner is a plain object. `train` calls `train_step` on every replica. Evals,
export and report call the other methods, if the learner has them: each protocol
below is one capability of a learner. A learner has a capability if and only if it
has all names of the protocol; `core/capabilities.py` tests and requires this. The
first line of a protocol says what its learners are, and error messages quote it.
"""

from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

from tf_shortrun.core.passes import Passes
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed


class Learner(Protocol):
    """A learner of observations, the contract of every method."""

    @property
    def state(self) -> dict[str, tf.__internal__.tracking.Trackable]:
        """Everything that a checkpoint must hold, by names that do not change."""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one observation: (H, W, C)."""

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Updates the parameters once and returns metrics; called in replica context."""

    def sample(self, num, seed: Seed) -> tf.Tensor:
        """Returns `num` new observations [num, H, W, C] in [-1, 1]."""


class Staged(Protocol):
    """A learner whose first updates use other methods than `train_step`."""

    def update_at(self, step: int) -> Callable[[Batch, Seed], Metrics]:
        """Returns the update method of step 1, 2, ...: the same method throughout a stage."""


class Watches(Protocol):
    """A learner with measurements that are too expensive for every update."""

    def watch(self, batch: Batch, seed: Seed) -> Metrics:
        """Returns them, before every `Experiment.watch_every`-th update; in replica context."""


class Adapts(Protocol):
    """A learner that does extra work before some updates, e.g. chooses its own step sizes."""

    def adapt(self, batch: Batch, seed: Seed) -> dict[str, tf.Tensor]:
        """Does it and returns tensors to record; called as `watch`, at `adapt_every`."""


class StartsAtMean(Protocol):
    """A learner whose first outputs can have the mean colour of the data."""

    def start_at(self, mean: tf.Tensor) -> None:
        """Sets the outputs before the first update to about `mean`: [C], on [-1, 1]."""


class Reconstructs(Protocol):
    """A learner that explains a given observation."""

    def reconstruct(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns the reconstructed batch [B, H, W, C]."""


class SamplesLabels(Protocol):
    """A learner that makes observations of a given label."""

    def sample_of(self, labels: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Returns an observation for each label, int32 [N] -> [N, H, W, C] in [-1, 1]."""

    def label_counts(self) -> tf.Tensor:
        """Returns how many examples of label 0, 1, ... it has learned from: [number of labels]."""


class Inpaints(Protocol):
    """A learner that completes an observation of which it has seen a part."""

    def inpaint(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns completed images [B, H, W, C]; the learner generates all pixels.

        It reads `batch["image"]` only where `batch["mask"]` is True.
        """


class HasLatents(Protocol):
    """A learner whose observations are decoded from a nest of latents, top to bottom."""

    def sample_latents(self, num, seed: Seed) -> Latents:
        """Draws latents from the prior, [num, d_l] for each layer."""

    def infer(self, batch: Batch, seed: Seed) -> Latents:
        """Infers latents from the batch, [B, d_l] for each layer."""

    def decode(self, latents: Latents) -> tf.Tensor:
        """Returns observations [B, H, W, C] in [-1, 1]."""


class RunsChain(HasLatents, Protocol):
    """A learner that infers by a chain, which can run longer or without noise."""

    def infer_by_chain(
        self, batch: Batch, seed: Seed, times: float, noise_scale: float | None = None
    ) -> Latents:
        """Infers as `infer` does, with `times` as many steps; noise_scale 0 is without noise."""


class CountsPasses(Protocol):
    """A learner that lists the passes of its updates, so that their arithmetic can be counted."""

    @property
    def chain_steps(self) -> int:
        """K, the steps of the chain that infers in training; 0 if there is no such chain."""

    def passes(self, image: tf.Tensor) -> list[Passes]:
        """Returns the passes of one update for one example, a batch [1, ...]."""


class HasSecondStage(CountsPasses, Protocol):
    """A learner with a second stage of other updates after `num_first_steps` updates."""

    num_first_steps: int

    def second_passes(self, image: tf.Tensor) -> list[Passes]:
        """Returns the passes of one update of the second stage for one example [1, ...]."""


class HasDensity(HasLatents, Protocol):
    """A learner with a joint density of latents and observation."""

    def log_prior(self, latents: Latents) -> tf.Tensor:
        """Returns log p(z): [B], nats, normalised."""

    def log_joint(self, latents: Latents, batch: Batch) -> tf.Tensor:
        """Returns log p(x, z): [B], nats, normalised; differentiable in the latents."""


class Weighs(Protocol):
    """A learner whose inference draws latents with a known density, for importance weights."""

    def log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns log p(x, z) - log q(z | x) at one draw z ~ q for each example: [B], nats."""


class LacksPartition(Protocol):
    """A learner whose latents, bits z [B, m], have the density exp(-F(z)) / Z with an unknown Z."""

    def prior_path(self):
        """Returns the path from independent bits to exp(-F), see `methods/binary/rbm.py`."""

    def sample_latents(self, num, seed: Seed) -> Latents:
        """Draws from exp(-F) / Z by long chains, one layer: [[num, m]]."""

    def unnormalised_log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns log p(x, z) + log Z - log q(z | x) at one draw z ~ q per example: [B], nats."""


class Walks(Protocol):
    """A learner that leaves the data by a walk and samples by a walk back to the data."""

    def heat(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns the states of a walk away from the batch, data first: [K + 1, B, ...]."""

    def cool(self, num, seed: Seed) -> tf.Tensor:
        """Returns the states of a walk that draws samples, samples last: [K + 1, num, ...]."""

    def walk(self, state: tf.Tensor, num_steps: int, seed: Seed) -> tf.Tensor:
        """Returns the states [B, ...] after `num_steps` more steps, as at the end of sampling."""


class Scores(Protocol):
    """A learner that scores how unlike the data an observation is."""

    def score(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns scores [B], higher for observations that are less like the data."""


class HasEnergy(Protocol):
    """A learner of p(x) = exp(-E(x)) / Z with an unknown Z."""

    def energy(self, observations: tf.Tensor) -> tf.Tensor:
        """Returns E(x): [B], nats."""


class GuidesLatents(HasEnergy, Protocol):
    """A learner with an energy of the observations that it decodes from one latent vector."""

    def sample_latents(self, num, seed: Seed) -> tf.Tensor:
        """Draws latents from the prior N(0, I): [num, d]."""

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        """Returns observations [B, ...], differentiable in the latents [B, d], not clipped."""
