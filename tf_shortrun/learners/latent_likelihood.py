"""Maximum likelihood of a latent variable model, given any way to find latents.

    theta <- theta + Adam( grad_theta mean_b log p_theta(x_b, z_b) ),   z_b ~ q(z | x_b)

The latents are constants: nothing flows into theta through the chain that found them.
The prior does not depend on theta, so the loss is the negative log-likelihood given z;
with fixed sigma that is the sum of squares up to scale, which Adam does not see.

With `ShortRun` this is the learning algorithm of Nijkamp et al. 2020; a fixed point
solves mean_b E_q[grad log p(x_b, z)] = 0, a perturbation of the likelihood equation.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from tf_shortrun.inference.base import Inference
from tf_shortrun.learners.descent import descend
from tf_shortrun.learners.latent_learner import LatentLearner
from tf_shortrun.models.latent_model import LatentModel
from tf_shortrun.shapes import Batch, Metrics, Seed


class LatentLikelihood(LatentLearner):
    """Learner of a `LatentModel`.

    Args:
      model: the generator.
      inference: an `Inference`, see `inference/base.py`.
      optimizer: a Keras optimizer.
      sigma_rule: how the observation noise changes (see `learners/sigma.py`); None keeps it.
    """

    def __init__(
        self,
        model: LatentModel,
        inference: Inference,
        optimizer: keras.optimizers.Optimizer,
        sigma_rule: Callable | None = None,
    ):
        super().__init__(model, inference, optimizer)
        self.sigma_rule = sigma_rule

    @property
    def variables(self) -> list[keras.Variable]:
        return self.model.trainable_variables

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Infers, then one step of the optimizer. Metrics are means over this replica's examples.

        loss: mean_b -log p(x_b | z_b), nats.   mse: per pixel, before the update.
        sigma: after the update. The rest is what the inference watches.
        """
        posterior = self.inference(self.model, batch, seed)
        with tf.GradientTape() as tape:
            likelihood = self.model.likelihood(posterior.latents)
            loss = -tf.reduce_mean(likelihood.log_prob(batch["image"]))
        descend(self.optimizer, self.variables, loss, tape)
        replica = tf.distribute.get_replica_context()
        mse = tf.reduce_mean((batch["image"] - likelihood.mean()) ** 2)
        self._update_sigma(replica.all_reduce(tf.distribute.ReduceOp.MEAN, mse))
        sigma = tf.convert_to_tensor(self.model.sigma)
        learned = self.inference.learn(self.model, batch, posterior, seed)
        return {"loss": loss, "mse": mse, "sigma": sigma, **posterior.metrics, **learned}

    def _update_sigma(self, mse: tf.Tensor):
        if self.sigma_rule is not None:
            step = self.optimizer.iterations
            self.model.sigma.assign(self.sigma_rule(self.model.sigma, step, mse))
