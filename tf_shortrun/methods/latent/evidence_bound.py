"""Variational auto-encoders: generator and encoder maximise one bound together.

    max  mean_b log p(x_b | z_b) + w (log p(z_b) - log q(z_b | x_b)),   z_b ~ q(. | x_b)

The gradient flows through the draw, one for each example. w = 1 is the evidence lower bound. In a
warm-up w rises from 0, so that the model learns to use the latents before it pays for them. If q
is a point (`Point`), log q is left out: the loss is that of a regularised auto-encoder, with weight
w on half the squared norm of the latents and `decay` on half that of the generator's weights.

References: D. P. Kingma, M. Welling, ICLR 2014; warm-up: C. K. Sonderby et al., NeurIPS 2016;
P. Ghosh et al., From variational to deterministic autoencoders, ICLR 2020.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from tf_shortrun.core.optimization import descend
from tf_shortrun.core.optimizer_numbers import check_schedule
from tf_shortrun.core.shapes import Batch, Metrics, Seed
from tf_shortrun.core.stuck import STUCK, is_stuck
from tf_shortrun.methods.latent.amortized import Encoder
from tf_shortrun.methods.latent.density_learner import DensityLearner
from tf_shortrun.methods.latent.latent_model import NormalPriorModel


class EvidenceBound(DensityLearner):
    """A learner of a `NormalPriorModel` and its encoder.

    Args:
      model: the generator.
      inference: an `Encoder`.
      optimizer: a Keras optimizer of generator and encoder.
      prior_weight: w as a schedule of the step, e.g. of `keras.optimizers.schedules`; None is 1.
      decay: factor of half the squared norm of the generator's weights, added to the loss.
      sigma_rule: how the observation noise changes, see `sigma.py`.
    """

    inference: Encoder

    def __init__(
        self,
        model: NormalPriorModel,
        inference: Encoder,
        optimizer: keras.optimizers.Optimizer,
        prior_weight: Callable | None = None,
        decay: float = 0.0,
        sigma_rule: Callable | None = None,
    ):
        check_schedule("EvidenceBound.prior_weight", prior_weight)
        super().__init__(model, inference, optimizer, sigma_rule)
        self.prior_weight, self.decay = prior_weight or (lambda _: 1.0), decay

    @property
    def variables(self) -> list[keras.Variable]:
        return self.model.trainable_variables + self.inference.variables

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one step of the optimizer and returns means over the examples of this replica.

        loss: mean_b -log p(x_b | z_b) + w kl, nats; `decay` adds its term.   kl: estimate by one
        draw of the divergence of q from the prior, nats.   mse: per pixel.   bound: w = 1, nats.
        """
        weight = self.prior_weight(self.optimizer.iterations)
        with tf.GradientTape() as tape:
            latents, log_q = self.inference.draw(self.model, batch, seed)
            likelihood = self.model.likelihood(latents)
            error = -tf.reduce_mean(likelihood.log_prob(batch["image"]))
            kl = tf.reduce_mean(log_q - self.model.log_prior(latents))
            norms = [tf.nn.l2_loss(w) for w in self.model.trainable_variables if self.decay]
            loss = tf.add_n([error + weight * kl, *(self.decay * norm for norm in norms)])
        descend(self.optimizer, self.variables, loss, tape)
        outputs = likelihood.mean()
        mse = tf.reduce_mean((batch["image"] - outputs) ** 2)
        self.update_sigma(mse)
        stuck = is_stuck(batch["image"], outputs)
        return {"loss": loss, "mse": mse, STUCK: stuck, "kl": kl, "bound": -error - kl}
