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
from tf_shortrun.models.latent_model import LatentModel
from tf_shortrun.shapes import Batch, Latents, Metrics, Seed


class LatentLikelihood:
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
        self.model, self.inference, self.optimizer = model, inference, optimizer
        self.sigma_rule = sigma_rule
        inference.build(model)
        # Here, under the strategy's scope: slots made inside a compiled step would fail.
        optimizer.build(model.trainable_variables)

    @property
    def state(self) -> dict:
        return {"model": self.model, "optimizer": self.optimizer, **self.inference.state}

    @property
    def image_shape(self) -> tuple[int, ...]:
        return tuple(self.model.image_shape)

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Infers, then one step of the optimizer. Metrics are means over this replica's examples.

        loss: mean_b -log p(x_b | z_b), nats.   mse: per pixel, before the update.
        sigma: after the update. The rest is what the inference watches.
        """
        posterior = self.inference(self.model, batch, seed)
        replica = tf.distribute.get_replica_context()
        num_replicas = replica.num_replicas_in_sync
        with tf.GradientTape() as tape:
            likelihood = self.model.likelihood(posterior.latents)
            loss = -tf.reduce_mean(likelihood.log_prob(batch["image"]))
            # Keras sums gradients over replicas; with equal shares this makes them a mean.
            objective = loss / num_replicas
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(objective, variables), variables)
        mse = tf.reduce_mean((batch["image"] - likelihood.mean()) ** 2)
        self._update_sigma(replica.all_reduce(tf.distribute.ReduceOp.MEAN, mse))
        sigma = tf.convert_to_tensor(self.model.sigma)
        learned = self.inference.learn(self.model, batch, posterior, seed)
        return {"loss": loss, "mse": mse, "sigma": sigma, **posterior.metrics, **learned}

    @property
    def adapts(self) -> bool:
        return self.inference.adapts

    def adapt(self, batch: Batch, seed: Seed) -> dict[str, tf.Tensor]:
        """Lets the inference choose its step sizes for the model as it is now."""
        return self.inference.adapt(self.model, batch, seed)

    def sample_latents(self, num, seed: Seed) -> Latents:
        return self.model.sample_latents(num, seed)

    def infer(
        self, batch: Batch, seed: Seed, times: float = 1, noise_scale: float | None = None
    ) -> Latents:
        seen = _unnamed(batch)
        return self.inference(self.model, seen, seed, times, noise_scale).latents

    def decode(self, latents: Latents) -> tf.Tensor:
        return tf.clip_by_value(self.model(latents), -1.0, 1.0)

    def sample(self, num, seed: Seed) -> tf.Tensor:
        return self.decode(self.sample_latents(num, seed))

    def reconstruct(self, batch: Batch, seed: Seed, times: float = 1) -> tf.Tensor:
        return self.decode(self.infer(batch, seed, times))

    def inpaint(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.decode(self.infer(batch, seed))

    def log_prior(self, latents: Latents) -> tf.Tensor:
        return self.model.log_prior(latents)

    def log_joint(self, latents: Latents, batch: Batch) -> tf.Tensor:
        return self.model.log_joint(latents, batch["image"])

    def log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.inference.log_weights(self.model, _unnamed(batch), seed)

    def _update_sigma(self, mse: tf.Tensor):
        if self.sigma_rule is not None:
            step = self.optimizer.iterations
            self.model.sigma.assign(self.sigma_rule(self.model.sigma, step, mse))


def _unnamed(batch: Batch) -> Batch:
    """What the inference may see of an example that is not one of the training split."""
    return {name: batch[name] for name in ("image", "mask") if name in batch}
