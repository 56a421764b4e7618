"""Maximum entropy generator: an energy, and a generator that samples it and stays varied.

    G  up   -mean E(G(z)) + w I(G(z); z)                                   one step
    T  up   I(G(z); z)                                                     with it
    E  down  mean E(x) - mean E(x_neg) + lambda mean ||grad_x E(x)||^2     n steps, x_neg = G(z)

The generator is the sampler of the negative phase. I stands for the entropy of its samples (see
`information.py`). w = 1 is the formula, 1/2 what the released code computes. The penalty is at
data only, centred at 0.

Two things go beyond the paper: I may be exact up to a constant, in nats; and negatives may take
some Metropolis-adjusted Langevin moves among observations, so that they follow E. The energy
updates of one step see different examples, the batch cut into n.

References: R. Kumar, S. Ozair, A. Goyal, A. Courville, Y. Bengio, Maximum entropy generators
for energy-based models, arXiv 1901.08508, algorithm 1.
"""

from typing import Literal

import keras
import tensorflow as tf

from tf_shortrun import noise
from tf_shortrun.errors import InputError
from tf_shortrun.inference.refinement import Refinement
from tf_shortrun.learners.information import Information
from tf_shortrun.models.energy import Energy, Generator
from tf_shortrun.shapes import Batch, Metrics, Seed


class MaxEntropy:
    """Learner of an `Energy` and a `Generator`.

    Args:
      information: I, see `information.py`.
      entropy_weight: w.
      energy_updates: n, updates of the energy for one of the generator; divides the batch.
      penalty: lambda.
      penalty_reduction: `sum` over all numbers of an observation, as the formula says; `pixel`
        for a mean over pixels, the released code on images.
      refinement: of the negatives of the energy; None leaves them as the generator makes them.
      score_by: what `score` returns, the energy or ||grad_x E(x)||.
    """

    def __init__(
        self,
        energy: Energy,
        generator: Generator,
        information: Information,
        energy_optimizer: keras.optimizers.Optimizer,
        generator_optimizer: keras.optimizers.Optimizer,
        entropy_weight: float,
        energy_updates: int,
        penalty: float,
        penalty_reduction: Literal["sum", "pixel"] = "sum",
        refinement: Refinement | None = None,
        score_by: Literal["energy", "gradient"] = "energy",
    ):
        if energy_updates < 1 or not penalty >= 0:
            raise InputError(
                f"energy_updates is {energy_updates}, penalty {penalty}: choose at least one "
                "update, and a weight from 0 on"
            )
        if energy.state_shape != generator.state_shape:
            raise InputError(
                f"the generator makes {generator.state_shape} and the energy takes "
                f"{energy.state_shape}: give both the shape of the data"
            )
        if penalty_reduction == "pixel" and len(generator.state_shape) != 3:
            raise InputError(
                f"penalty_reduction is pixel and observations are {generator.state_shape}: "
                "choose sum"
            )
        self._energy, self._generator, self._information = energy, generator, information
        self._energy_optimizer = energy_optimizer
        self._generator_optimizer = generator_optimizer
        self._entropy_weight, self._energy_updates = entropy_weight, energy_updates
        self._penalty, self._penalty_reduction = penalty, penalty_reduction
        self._refinement, self._score_by = refinement, score_by
        # Here, under the strategy's scope: slots made inside a compiled step would fail.
        energy_optimizer.build(energy.trainable_variables)
        generator_optimizer.build(generator.trainable_variables)
        information.build(generator)

    @property
    def state(self) -> dict:
        return {
            "energy": self._energy,
            "generator": self._generator,
            "energy_optimizer": self._energy_optimizer,
            "generator_optimizer": self._generator_optimizer,
            **self._information.state,
        }

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self._generator.state_shape

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """One update of generator and statistic, then the updates of the energy.

        loss: of the generator.   information: I.   energy_data, energy_samples: means of E in
        the last update.   penalty: mean of ||grad_x E||^2 there.
        """
        parts = self._parts(batch["image"])
        metrics = self._update_generator(tf.shape(parts[0])[0], noise.fold(seed, 0))
        for i, part in enumerate(parts):
            metrics |= self._update_energy(part, noise.fold(seed, 1 + i))
        return metrics

    def sample_latents(self, num, seed: Seed) -> tf.Tensor:
        return self._generator.sample_latents(num, seed)

    def sample(self, num, seed: Seed) -> tf.Tensor:
        return tf.clip_by_value(self._observe(num, seed), -1.0, 1.0)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        return self._generator(latents)

    def energy(self, observations: tf.Tensor) -> tf.Tensor:
        return self._energy.energy(observations)

    def score(self, batch: Batch, seed: Seed) -> tf.Tensor:
        del seed
        if self._score_by == "energy":
            return self.energy(batch["image"])
        return tf.sqrt(_squares(self._gradient(batch["image"])))

    def _parts(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Every n-th example: the same parts on one replica and on many."""
        if x.shape[0] % self._energy_updates:
            raise InputError(
                f"energy_updates {self._energy_updates} does not divide the {x.shape[0]} examples "
                "of a replica: choose another batch_size"
            )
        return [x[i :: self._energy_updates] for i in range(self._energy_updates)]

    def _observe(self, num, seed: Seed) -> tf.Tensor:
        z = self.sample_latents(num, noise.fold(seed, 0))
        return self._information.observe(self._generator, z, noise.fold(seed, 1))

    def _update_generator(self, num, seed: Seed) -> Metrics:
        z, others = self.sample_latents(num, noise.fold(seed, 0)), noise.fold(seed, 2)
        with tf.GradientTape() as tape:
            x = self._information.observe(self._generator, z, noise.fold(seed, 1))
            information = self._information.estimate(self._generator, z, x, others)
            loss = tf.reduce_mean(self.energy(x)) - self._entropy_weight * information
        self._information.learn(self._generator, z, x, others)
        _apply(self._generator_optimizer, self._generator, loss, tape)
        return {"loss": loss, "information": information}

    def _update_energy(self, x: tf.Tensor, seed: Seed) -> Metrics:
        negatives = self._observe(tf.shape(x)[0], noise.fold(seed, 0))
        if self._refinement is not None:
            negatives = self._refinement(self.energy, negatives, noise.fold(seed, 1))
        with tf.GradientTape() as tape:
            data, samples = (tf.reduce_mean(self.energy(points)) for points in (x, negatives))
            penalty = tf.reduce_mean(self._reduced(_squares(self._gradient(x))))
            loss = data - samples + self._penalty * penalty
        _apply(self._energy_optimizer, self._energy, loss, tape)
        return {"energy_data": data, "energy_samples": samples, "penalty": penalty}

    def _gradient(self, x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(x)
            total = tf.reduce_sum(self.energy(x))
        return tape.gradient(total, x)

    def _reduced(self, squares: tf.Tensor) -> tf.Tensor:
        if self._penalty_reduction == "sum":
            return squares
        height, width, _ = self.image_shape
        return squares / (height * width)


def _apply(optimizer, model: keras.Model, loss: tf.Tensor, tape: tf.GradientTape):
    num_replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    variables = model.trainable_variables
    # Keras sums gradients over replicas; with equal shares this makes them a mean.
    gradients = [g / num_replicas for g in tape.gradient(loss, variables)]
    optimizer.apply(gradients, variables)


def _squares(x: tf.Tensor) -> tf.Tensor:
    """Squared norm of each example: [B]."""
    return tf.reduce_sum(x**2, axis=list(range(1, len(x.shape))))
