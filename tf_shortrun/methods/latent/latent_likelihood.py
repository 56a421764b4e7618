"""Maximum likelihood of a latent variable model, with any inference of the latents.

    theta <- theta + Adam( grad_theta mean_b log p_theta(x_b, z_b) ),   z_b ~ q(z | x_b)

The latents are constants: no gradient reaches theta through the chain that inferred them. The
prior does not depend on theta, so the loss is the negative log-likelihood given z. With fixed
sigma the loss is the sum of squares times a constant, to which Adam is invariant.

With `ShortRun` this is the learning algorithm of Nijkamp et al. 2020. A fixed point solves
mean_b E_q[grad log p(x_b, z)] = 0, a perturbation of the likelihood equation.
"""

import keras
import tensorflow as tf

from tf_shortrun.core.optimization import descend
from tf_shortrun.core.shapes import Batch, Metrics, Seed
from tf_shortrun.core.stuck import STUCK, is_stuck
from tf_shortrun.methods.latent.density_learner import DensityLearner
from tf_shortrun.methods.latent.inference import Posterior, each_particle
from tf_shortrun.methods.latent.latent_learner import LatentLearner


class LatentLikelihood(DensityLearner):
    """A learner of a `NormalPriorModel`; its arguments are those of `LatentLearner`."""

    @property
    def variables(self) -> list[keras.Variable]:
        return self.model.trainable_variables

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Infers, then makes one step of the optimizer; returns means over this replica's examples.

        loss: mean_b -log p(x_b | z_b), nats.   mse: per pixel, before the update.
        sigma: after the update. The other metrics are those of the inference.
        """
        batch = each_particle(batch, self.inference.num_particles)
        if self.model.label_codes is not None:
            self.model.label_codes.count(batch["label"])
        posterior = self.inference(self.model, batch, seed)
        return climb(self, batch, posterior, seed)


def climb(learner: LatentLearner, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
    """Updates the learner's variables, sigma and the inference, given the inferred latents."""
    with tf.GradientTape() as tape:
        likelihood = learner.model.likelihood(posterior.latents)
        loss = -tf.reduce_mean(likelihood.log_prob(batch["image"]))
    descend(learner.optimizer, learner.variables, loss, tape)
    outputs = likelihood.mean()
    mse = tf.reduce_mean((batch["image"] - outputs) ** 2)
    learner.update_sigma(mse)
    sigma = tf.convert_to_tensor(learner.model.sigma)  # 1 if the observation is not normal
    learned = learner.inference.learn(learner.model, batch, posterior, seed)
    errors = {"loss": loss, "mse": mse, STUCK: is_stuck(batch["image"], outputs)}
    return {**errors, "sigma": sigma, **posterior.metrics, **learned}
