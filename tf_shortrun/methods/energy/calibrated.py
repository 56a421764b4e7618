"""A maximum entropy generator, and then an energy in nats.

    first stage    generator and energy of `max_entropy.py`
    second stage   another energy E  down  a contrast of data and samples of known density

The energy that leads a generator to all modes has no unit (see `contrast.py`). In the second stage
the generator does not change. It covers the data, so that blurred samples are good proposals, and
E ranks data among them: then exp(-E) is the density of the data up to a constant factor.

References: `Ranking` in `contrast.py`.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.shapes import Batch, Metrics, Seed
from tf_shortrun.methods.energy import adversarial
from tf_shortrun.methods.energy.contrast import Contrast
from tf_shortrun.methods.energy.energy import Energy
from tf_shortrun.methods.energy.max_entropy import MaxEntropy


class Calibrated:
    """A learner whose samples are those of `first`, and whose energy is its own, in nats.

    Args:
      first: the learner of the generator.
      energy: E of the second stage.
      contrast: its loss; only `Ranking` gives nats.
      num_first_steps: updates of the first stage; all later updates are of the second stage.
    """

    def __init__(
        self,
        first: MaxEntropy,
        energy: Energy,
        contrast: Contrast,
        optimizer: keras.optimizers.Optimizer,
        num_first_steps: int,
    ):
        if num_first_steps < 0:
            raise InputError(f"num_first_steps is {num_first_steps}: choose 0 or more updates")
        check_most(num_first_steps=num_first_steps)
        adversarial.check_shapes(energy, first.generator)
        contrast.check(energy.state_shape)
        self._first, self._energy, self._contrast = first, energy, contrast
        self._optimizer, self._num_first_steps = optimizer, num_first_steps
        # Slots must be created under the strategy's scope: inside a compiled step that would fail.
        optimizer.build(energy.trainable_variables)

    @property
    def state(self) -> dict:
        own = {"calibrated_energy": self._energy, "calibrated_optimizer": self._optimizer}
        return {**self._first.state, **own}

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self._first.image_shape

    def update_at(self, step: int) -> Callable:
        """Returns the `train_step` of the stage of update `step`, counted from 1."""
        return self._first.train_step if step <= self._num_first_steps else self.train_step

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update of E in the second stage. Metrics: those of the contrast."""
        with tf.GradientTape() as tape:
            loss, metrics = self._contrast(
                self._energy, self._first.generator, self._first.information, batch["image"], seed
            )
        descend(self._optimizer, self._energy.trainable_variables, loss, tape)
        return {"loss": loss} | metrics

    def sample_latents(self, num, seed: Seed) -> tf.Tensor:
        return self._first.sample_latents(num, seed)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        return self._first.decode(latents)

    def sample(self, num, seed: Seed) -> tf.Tensor:
        return self._first.sample(num, seed)

    def energy(self, observations: tf.Tensor) -> tf.Tensor:
        return self._energy.energy(observations)

    def score(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns E(x): [B], nats up to a constant."""
        del seed
        return self.energy(batch["image"])
