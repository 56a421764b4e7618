"""Binary latents with an undirected prior: two stages of pretraining, then joint training.

    pretrain_codes   phi, theta up   E_q log p(x | z) - beta KL(q || fair bits)
    pretrain_prior   prior up        E_q[-F(z)] - E_p[-F(z)]
    joint            all up          E_q[log p(x | z) + beta (-F(z) - log q(z | x))] - beta log Z

F and Z are those of the prior. The gradient of log Z is E_p[-dF], estimated by persistent chains.
In the first stage the biases of the prior follow the log odds of the codes, so that the second
stage starts from the best distribution of independent bits. The estimators get a bound, the
objective divided by beta, E_q[log p(x | z) / beta - F(z) - log q(z | x)], then times beta.
These stages are our own design: the equations of the paper were not available, see `binary_model`.

References: H. Hu, R. Salakhutdinov, Learning deep generative models with discrete latent
variables, ICLR 2018 submission. G. E. Hinton, A practical guide to training restricted Boltzmann
machines, 2010. J. T. Rolfe, Discrete variational autoencoders, ICLR 2017.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.optimizer_numbers import check_schedule
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.methods.binary import estimators, gibbs_chains, tempered_chains
from tf_shortrun.methods.binary.binary_model import BinaryGenerator, BinaryPosterior
from tf_shortrun.methods.binary.code_mean import CodeMean
from tf_shortrun.methods.binary.rbm import GeometricPath

Schedule = Callable[[tf.Tensor], tf.Tensor]  # from the number of updates of the codes to beta > 0


class BinaryLatent:
    """A learner of a `BinaryGenerator` and a `BinaryPosterior`.

    Args:
      estimator: estimator of the gradient of q in the joint stage, see `estimators.py`.
      code_optimizer: optimizer of posterior and decoder.
      prior_optimizer: optimizer of the prior.
      num_code_steps: updates of the first stage; 0 for none.
      num_prior_steps: updates of the second stage; 0 for none.
      code_weight: beta of the first stage. Near 0 no code was learned: bits became certain within
        a few updates, and straight-through gradients vanished.
      joint_weight: beta of the last stage.
      coupling_decay: factor of half the squared norm of the couplings, subtracted from the
        objective of the prior. It keeps the prior easy to sample.
      num_sample_sweeps: Gibbs sweeps for a sample; the first half is annealed.
    """

    def __init__(
        self,
        model: BinaryGenerator,
        posterior: BinaryPosterior,
        estimator: Callable,
        chains: gibbs_chains.PersistentChains | tempered_chains.TemperedChains,
        code_optimizer: keras.optimizers.Optimizer,
        prior_optimizer: keras.optimizers.Optimizer,
        num_code_steps: int,
        num_prior_steps: int,
        code_weight: float,
        joint_weight: Schedule,
        coupling_decay: float,
        num_sample_sweeps: int,
    ):
        if not code_weight > 0:
            raise InputError(f"code_weight is {code_weight}: choose a positive weight")
        if min(num_code_steps, num_prior_steps) < 0 or num_sample_sweeps < 2:
            raise InputError(
                f"num_code_steps is {num_code_steps}, num_prior_steps {num_prior_steps}, "
                f"num_sample_sweeps {num_sample_sweeps}: choose from 0 on, and at least 2 sweeps"
            )
        check_most(num_sample_sweeps=num_sample_sweeps)
        check_schedule("BinaryLatent.joint_weight", joint_weight)
        self.model, self.posterior, self._estimator = model, posterior, estimator
        self._chains, self._coupling_decay = chains, coupling_decay
        self._code_optimizer, self._prior_optimizer = code_optimizer, prior_optimizer
        self._num_code_steps, self._num_prior_steps = num_code_steps, num_prior_steps
        self._code_weight, self._joint_weight = code_weight, joint_weight
        self._num_sample_sweeps = num_sample_sweeps
        chains.build(model.prior)
        self._code_mean = CodeMean(model.prior.num_visible)
        self._code_variables = [*posterior.trainable_variables, *model.decoder.trainable_variables]
        # Slots must be created under the strategy's scope: inside a compiled step that would fail.
        code_optimizer.build(self._code_variables)
        prior_optimizer.build(model.prior.trainable_variables)

    @property
    def state(self) -> dict:
        return {
            "model": self.model,
            "posterior": self.posterior,
            "code_optimizer": self._code_optimizer,
            "prior_optimizer": self._prior_optimizer,
            "code_mean": self._code_mean.value,
            **self._chains.state,
        }

    @property
    def image_shape(self) -> tuple[int, ...]:
        return self.model.image_shape

    def update_at(self, step: int) -> Callable:
        """Returns the training function of update `step`, counted from 1."""
        if step <= self._num_code_steps:
            return self.pretrain_codes
        if step <= self._num_code_steps + self._num_prior_steps:
            return self.pretrain_prior
        return self.train_step

    def pretrain_codes(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update. loss: mean of -log p(x | z) + beta (KL without its constant), nats."""
        beta = self._code_weight
        with tf.GradientTape() as tape:
            estimate = estimators.straight_through(
                lambda z: self.model.likelihood(z).log_prob(batch["image"]) / beta,
                self.posterior.conditionals(batch["image"]),
                seed,
            )
            loss = -beta * tf.reduce_mean(estimate.bound)
        descend(self._code_optimizer, self._code_variables, loss, tape)
        self._code_mean.follow(estimate.samples)
        self.model.prior.visible_bias.assign(self._code_mean.log_odds)
        return {"loss": loss}

    def pretrain_prior(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update of the prior.

        gap: mean F of codes minus mean F of chains, nats.   loss: gap + decay of the couplings.
        changed: the share of bits that a sweep of the chains changes.
        """
        seeds = noise.split(seed, 2)
        conditionals = self.posterior.conditionals(batch["image"])
        z, _ = estimators.complete(conditionals, seeds[0])
        ends, changed = self._chains.move(self.model.prior, seeds[1])
        prior = self.model.prior
        with tf.GradientTape() as tape:
            gap = _mean(prior.log_unnormalised(ends)) - _mean(prior.log_unnormalised(z))
            loss = gap + self._decay()
        descend(self._prior_optimizer, prior.trainable_variables, loss, tape)
        self._code_mean.follow(z[None])
        return {"loss": loss, "gap": gap, "changed": changed}

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update of the joint stage.

        loss: the minimised function; it lacks log Z, so do not judge training by its value.
        gap: mean F of codes minus mean F of chains, nats; far from 0 the chains lag behind.
        changed: the share of bits that a sweep of the chains changes.
        """
        seeds = noise.split(seed, 2)
        beta = self._joint_weight(self._code_optimizer.iterations)
        prior, x = self.model.prior, batch["image"]
        ends, changed = self._chains.move(prior, seeds[1])

        def log_joint(z):
            return self.model.likelihood(z).log_prob(x) / beta + prior.log_unnormalised(z)

        with tf.GradientTape(persistent=True) as tape:
            estimate = self._estimator(log_joint, self.posterior.conditionals(x), seeds[0])
            at_chains = _mean(prior.log_unnormalised(ends))
            loss = beta * (at_chains - _mean(estimate.bound)) + self._decay()
        descend(self._code_optimizer, self._code_variables, loss, tape)
        descend(self._prior_optimizer, prior.trainable_variables, loss, tape)
        self._code_mean.follow(estimate.samples)
        gap = at_chains - _mean(prior.log_unnormalised(estimate.samples[0]))
        return {"loss": loss, "gap": gap, "changed": changed}

    def prior_path(self) -> GeometricPath:
        """Returns the path from independent bits with the log odds of the codes to the prior."""
        return GeometricPath(self.model.prior, self._code_mean.log_odds)

    def sample_latents(self, num, seed: Seed) -> Latents:
        return [gibbs_chains.sample(self.prior_path(), num, self._num_sample_sweeps, seed)]

    def infer(self, batch: Batch, seed: Seed) -> Latents:
        return [estimators.complete(self.posterior.conditionals(batch["image"]), seed)[0]]

    def decode(self, latents: Latents) -> tf.Tensor:
        return tf.clip_by_value(self.model.likelihood(latents[0]).mean(), -1.0, 1.0)

    def sample(self, num, seed: Seed) -> tf.Tensor:
        return self.decode(self.sample_latents(num, seed))

    def reconstruct(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.decode(self.infer(batch, seed))

    def unnormalised_log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        z, log_q = estimators.complete(self.posterior.conditionals(batch["image"]), seed)
        return self.model.log_joint(z, batch["image"]) - log_q

    def _decay(self) -> tf.Tensor:
        return self._coupling_decay * tf.nn.l2_loss(self.model.prior.couplings)


def _mean(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x)
