"""Maximum entropy generators: an energy, and a generator that samples it with high entropy.

    G  up    -mean E(G(z)) + w I(G(z); z)      one step
    T  up    I(G(z); z)                        one step
    E  down  a contrast of data and samples    n steps

The generator gives the samples of the negative phase. I takes the place of their entropy (see
`information.py`); w = 1 is the formula, 1/2 the value in the released code. The losses of E are
in `contrast.py`. Each of the n energy updates of a step has its own part of the batch.

Three options go beyond the paper: I may be exact up to a constant, in nats (`Channel`). Samples
may be moved by Metropolis-adjusted Langevin steps before E sees them (`Refinement`). Or E may
weight the samples and be a normalisable log density (`Ranking`).

References: R. Kumar, S. Ozair, A. Goyal, A. Courville, Y. Bengio, Maximum entropy generators
for energy-based models, arXiv 1901.08508, algorithm 1.
"""

from typing import Literal

import keras
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.shapes import Batch, Metrics, Seed
from tf_shortrun.methods.energy import adversarial
from tf_shortrun.methods.energy.contrast import Contrast, observe
from tf_shortrun.methods.energy.energy import Energy, Generator
from tf_shortrun.methods.energy.information import Information


class MaxEntropy:
    """A learner of an `Energy` and a `Generator`.

    Args:
      information: I, see `information.py`.
      contrast: loss of E, see `contrast.py`.
      entropy_weight: w.
      energy_optimizer: if it keeps a running mean of the weights (`use_ema`), `energy` and
        `score` use this mean; training uses the weights themselves.
      energy_updates: n, updates of the energy per update of the generator; divides the batch.
      score_by: result of `score`, either E(x) or ||grad_x E(x)||.
    """

    def __init__(
        self,
        energy: Energy,
        generator: Generator,
        information: Information,
        contrast: Contrast,
        energy_optimizer: keras.optimizers.Optimizer,
        generator_optimizer: keras.optimizers.Optimizer,
        entropy_weight: float,
        energy_updates: int,
        score_by: Literal["energy", "gradient"] = "energy",
    ):
        if energy_updates < 1:
            raise InputError(f"energy_updates is {energy_updates}: choose at least one")
        check_most(energy_updates=energy_updates)
        adversarial.check_shapes(energy, generator)
        contrast.check(generator.state_shape)
        self._energy, self.generator = energy, generator
        self.information, self._contrast = information, contrast
        self._energy_optimizer = energy_optimizer
        self._generator_optimizer = generator_optimizer
        self._entropy_weight, self._energy_updates = entropy_weight, energy_updates
        self._score_by = score_by
        # Slots must be created under the strategy's scope: inside a compiled step that would fail.
        energy_optimizer.build(energy.trainable_variables)
        generator_optimizer.build(generator.trainable_variables)
        information.build(generator)

    @property
    def state(self) -> dict:
        return {
            "energy": self._energy,
            "generator": self.generator,
            "energy_optimizer": self._energy_optimizer,
            "generator_optimizer": self._generator_optimizer,
            **self.information.state,
        }

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self.generator.state_shape

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update of generator and statistic, then n updates of the energy.

        loss: that of the generator.   information: I.   The other metrics are those of the
        contrast in the last update of the energy.
        """
        parts = adversarial.deal(batch["image"], self._energy_updates)
        metrics = self._update_generator(tf.shape(parts[0])[0], noise.stream(seed, "generator"))
        for i, part in enumerate(parts):
            metrics |= self._update_energy(part, noise.fold(noise.stream(seed, "energy"), i))
        return metrics

    def sample_latents(self, num, seed: Seed) -> tf.Tensor:
        return self.generator.sample_latents(num, seed)

    def sample(self, num, seed: Seed) -> tf.Tensor:
        return tf.clip_by_value(observe(self.generator, self.information, num, seed), -1.0, 1.0)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        return self.generator(latents)

    def energy(self, observations: tf.Tensor) -> tf.Tensor:
        if not self._energy_optimizer.use_ema:
            return self._energy.energy(observations)
        # Keras has no public name for these means.
        means = self._energy_optimizer._model_variables_moving_average
        others = self._energy.non_trainable_variables
        return self._energy.stateless_call(means, others, observations)[0]

    def score(self, batch: Batch, seed: Seed) -> tf.Tensor:
        del seed
        if self._score_by == "energy":
            return self.energy(batch["image"])
        slope = adversarial.slope(self.energy, batch["image"])
        return tf.sqrt(adversarial.squared_norm(slope))

    def _update_generator(self, num, seed: Seed) -> Metrics:
        z, others = (
            self.sample_latents(num, noise.stream(seed, "latents")),
            noise.stream(seed, "information"),
        )
        with tf.GradientTape() as tape:
            x = self.information.observe(self.generator, z, noise.stream(seed, "observation"))
            information = self.information.estimate(self.generator, z, x, others)
            loss = tf.reduce_mean(self._energy.energy(x)) - self._entropy_weight * information
        self.information.learn(self.generator, z, x, others)
        descend(self._generator_optimizer, self.generator.trainable_variables, loss, tape)
        return {"loss": loss, "information": information}

    def _update_energy(self, x: tf.Tensor, seed: Seed) -> Metrics:
        with tf.GradientTape() as tape:
            loss, metrics = self._contrast(self._energy, self.generator, self.information, x, seed)
        descend(self._energy_optimizer, self._energy.trainable_variables, loss, tape)
        return metrics
