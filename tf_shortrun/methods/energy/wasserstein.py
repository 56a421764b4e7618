"""Wasserstein GAN with gradient penalty: a baseline without an entropy term or a density.

    E  down  mean E(x) - mean E(G(z)) + lambda mean (||grad E(x^)|| - 1)^2     n steps
    G  down  mean E(G(z))                                                      one step

    x^ = u x + (1 - u) G(z),   u uniform on [0, 1), one for each example

The published critic is f = -E: here the network has low values at data, like an energy. If f has
gradient norm 1 everywhere between data and samples, mean f(x) - mean f(G(z)) is the Wasserstein-1
distance. The penalty is two-sided. exp(-E) is not a density of the data, and E has no unit.

Each of the n critic updates of a step has its own part of the batch.

References: I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin, A. Courville, Improved training of
Wasserstein GANs, NeurIPS 2017, algorithm 1.
"""

import keras
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.shapes import Batch, Metrics, Seed
from tf_shortrun.methods.energy import adversarial
from tf_shortrun.methods.energy.energy import Energy, Generator

_TINY = 1e-30  # lower bound of a squared norm, so that its root has a finite derivative


class WassersteinGan:
    """A learner of a critic and a `Generator`.

    Args:
      critic: E, minus the published critic.
      critic_updates: n, updates of the critic per update of the generator; divides the batch.
      penalty: lambda.
    """

    def __init__(
        self,
        critic: Energy,
        generator: Generator,
        critic_optimizer: keras.optimizers.Optimizer,
        generator_optimizer: keras.optimizers.Optimizer,
        critic_updates: int,
        penalty: float,
    ):
        if critic_updates < 1 or not penalty >= 0:
            raise InputError(
                f"critic_updates is {critic_updates}, penalty {penalty}: choose at least one "
                "update, and a weight from 0 on"
            )
        adversarial.check_shapes(critic, generator)
        self._critic, self._generator = critic, generator
        self._critic_optimizer = critic_optimizer
        self._generator_optimizer = generator_optimizer
        self._critic_updates, self._penalty = critic_updates, penalty
        # Slots must be created under the strategy's scope: inside a compiled step that would fail.
        critic_optimizer.build(critic.trainable_variables)
        generator_optimizer.build(generator.trainable_variables)

    @property
    def state(self) -> dict:
        return {
            "critic": self._critic,
            "generator": self._generator,
            "critic_optimizer": self._critic_optimizer,
            "generator_optimizer": self._generator_optimizer,
        }

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self._generator.state_shape

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes n updates of the critic, then one of the generator.

        loss: that of the generator.   distance: mean E(G(z)) - mean E(x) in the critic's last
        update.   penalty: mean of (||grad E|| - 1)^2 in that update.
        """
        parts = adversarial.deal(batch["image"], self._critic_updates)
        for i, part in enumerate(parts):
            metrics = self._update_critic(part, noise.fold(noise.stream(seed, "critic"), i))
        return metrics | self._update_generator(
            tf.shape(parts[0])[0], noise.stream(seed, "generator")
        )

    def sample(self, num, seed: Seed) -> tf.Tensor:
        return tf.clip_by_value(self._observe(num, seed), -1.0, 1.0)

    def score(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns E(x): [B]."""
        del seed
        return self._critic.energy(batch["image"])

    def _observe(self, num, seed: Seed) -> tf.Tensor:
        return self._generator(self._generator.sample_latents(num, seed))

    def _update_critic(self, x: tf.Tensor, seed: Seed) -> Metrics:
        samples = self._observe(tf.shape(x)[0], noise.stream(seed, "samples"))
        between = interpolate(x, samples, noise.stream(seed, "between"))
        energy = self._critic.energy
        with tf.GradientTape() as tape:
            distance = tf.reduce_mean(energy(samples)) - tf.reduce_mean(energy(x))
            squares = adversarial.squared_norm(adversarial.slope(energy, between))
            penalty = tf.reduce_mean((tf.sqrt(tf.maximum(squares, _TINY)) - 1.0) ** 2)
            loss = self._penalty * penalty - distance
        descend(self._critic_optimizer, self._critic.trainable_variables, loss, tape)
        return {"distance": distance, "penalty": penalty}

    def _update_generator(self, num, seed: Seed) -> Metrics:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self._critic.energy(self._observe(num, seed)))
        descend(self._generator_optimizer, self._generator.trainable_variables, loss, tape)
        return {"loss": loss}


def interpolate(x: tf.Tensor, y: tf.Tensor, seed: Seed) -> tf.Tensor:
    """Returns u x + (1 - u) y, [B, ...], with one u uniform on [0, 1) for each example.

    The baseline released with maximum entropy generators draws one u for each component of an
    example, so that points can lie off the segment between x and y.
    """
    u = noise.uniform(seed, [tf.shape(x)[0], 1])
    u = tf.reshape(u, [-1] + [1] * (len(x.shape) - 1))
    return u * x + (1.0 - u) * y
