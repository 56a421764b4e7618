"""Starts of a chain: the prior, a small network, a bank of earlier ends, or a mixture.

A start has `draw(model, batch, seed)` and, if its density is known, `log_prob`. A start with
parameters or state learns them from the ends of its chains. They do not appear in the objective
of the generator.

References: prior: E. Nijkamp et al., ECCV 2020. Persistent chains: T. Tieleman, ICML 2008;
T. Han et al., Alternating back-propagation for generator network, AAAI 2017. A proposal that
follows its chain: J. Xie et al., Cooperative training of descriptor and generator networks,
PAMI 2018.
"""

import math
from collections.abc import Callable
from typing import Protocol

import keras
import tensorflow as tf

from tf_shortrun.core import nest, noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.means import shared_variable
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.methods.latent.latent_model import LatentModel
from tf_shortrun.methods.latent.proposal import GaussianProposal


class Start(Protocol):
    """A distribution of z_0, the start of a chain; `build` and `state` are as in `Inference`."""

    @property
    def state(self) -> dict: ...

    def build(self, model: LatentModel) -> None: ...

    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> Latents:
        """Draws z_0 for each example of `batch`."""

    def log_prob(self, model: LatentModel, batch: Batch, latents: Latents) -> tf.Tensor:
        """Returns log q_0(latents | x), [B], nats. Raises InputError if it is unknown."""

    def learn(self, batch: Batch, ends: Latents) -> Metrics:
        """Updates the start from the ends of the chains of `batch`."""


class Prior:
    """The start z_0 ~ p(z), N(0, I) as published, with new noise at every call."""

    @property
    def state(self) -> dict:
        return {}

    def build(self, model: LatentModel):
        del model

    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> Latents:
        return model.start_of(batch, seed)

    def log_prob(self, model: LatentModel, batch: Batch, latents: Latents) -> tf.Tensor:
        del batch
        return model.log_prior(latents)

    def learn(self, batch: Batch, ends: Latents) -> Metrics:
        del batch, ends
        return {}


class Amortized:
    """The start z_0 ~ N(m(x), diag exp(2 r(x))), fitted to chain ends by maximum likelihood.

        phi <- phi + Adam( grad_phi mean_b log q_phi(z_K,b | x_b) )

    With m = r = 0, before any update, it is the prior.

    Args:
      network: `width -> Keras network` from images to [B, width], with width = 2 d for m and r.
      optimizer: a Keras optimizer for this network only.
      is_narrow: whether no width exceeds that of the prior, which is the width where an image says
        nothing. Without this limit short chains and the start that follows them widen each other.
    """

    def __init__(
        self,
        network: Callable,
        optimizer: keras.optimizers.Optimizer,
        is_narrow: bool = True,
    ):
        self._proposal, self._optimizer = GaussianProposal(network, is_narrow), optimizer

    @property
    def state(self) -> dict:
        return {"start_network": self._proposal.network, "start_optimizer": self._optimizer}

    def build(self, model: LatentModel):
        self._proposal.build(model)
        self._optimizer.build(self._proposal.network.trainable_variables)

    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> Latents:
        del model
        return self._proposal.draw(batch, seed)

    def log_prob(self, model: LatentModel, batch: Batch, latents: Latents) -> tf.Tensor:
        del model
        return self._proposal.log_prob(batch, latents)

    def learn(self, batch: Batch, ends: Latents) -> Metrics:
        """Fits q to `ends`. start_loss: mean -log q(z_K | x) before the update, nats."""
        variables = self._proposal.network.trainable_variables
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(self.log_prob(None, batch, nest.stop_gradient(ends)))
        descend(self._optimizer, variables, loss, tape)
        return {"start_loss": loss}


class Bank:
    """The start of persistent chains: the last end of the chain of the same training example.

    An example without an `index`, such as every test example, starts from the prior.

    Args:
      num_examples: number of examples in the training split.
    """

    def __init__(self, num_examples: int):
        if num_examples < 1:
            raise InputError(f"num_examples is {num_examples}: give the size of the training split")
        self._num_examples = num_examples

    @property
    def state(self) -> dict:
        return {f"bank_{l}": bank for l, bank in enumerate(self._banks)}

    def build(self, model: LatentModel):
        # A fixed seed, so that every replica has the same bank before the first visit.
        first = model.sample_latents(self._num_examples, noise.make_seed(0))
        self._banks = [shared_variable(z) for z in first]

    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> Latents:
        if "index" not in batch:
            return Prior().draw(model, batch, seed)
        return [tf.gather(bank, batch["index"]) for bank in self._banks]

    def log_prob(self, model: LatentModel, batch: Batch, latents: Latents) -> tf.Tensor:
        if "index" in batch:
            raise InputError("a bank of earlier ends has no density: choose another start")
        return model.log_prior(latents)

    def learn(self, batch: Batch, ends: Latents) -> Metrics:
        replica = tf.distribute.get_replica_context()
        # Several machines gather to a device, which the input of a compiled function does not have.
        index = replica.all_gather(tf.identity(batch["index"]), axis=0)
        for bank, z in zip(self._banks, ends, strict=True):
            rows = replica.all_gather(z, axis=0)
            bank.scatter_update(tf.IndexedSlices(rows, index))
        return {}


class Mixture:
    """A start by `second` with probability `share`, else by `first`, for each chain."""

    def __init__(self, first: Start, second: Start, share: float):
        if not 0 < share < 1:
            raise InputError(f"share is {share}: choose a probability between 0 and 1")
        self._parts, self._share = (first, second), share

    @property
    def state(self) -> dict:
        first, second = (part.state for part in self._parts)
        return first | {f"second_{name}": value for name, value in second.items()}

    def build(self, model: LatentModel):
        for part in self._parts:
            part.build(model)

    def draw(self, model: LatentModel, batch: Batch, seed: Seed) -> Latents:
        seeds = noise.split(noise.stream(seed, "parts"), 2)
        first, second = (
            part.draw(model, batch, own) for part, own in zip(self._parts, seeds, strict=True)
        )
        uniform = noise.uniform(noise.stream(seed, "which"), [tf.shape(batch["image"])[0], 1])
        return [tf.where(uniform < self._share, b, a) for a, b in zip(first, second, strict=True)]

    def log_prob(self, model: LatentModel, batch: Batch, latents: Latents) -> tf.Tensor:
        first, second = (part.log_prob(model, batch, latents) for part in self._parts)
        logs = [math.log1p(-self._share) + first, math.log(self._share) + second]
        return tf.reduce_logsumexp(logs, axis=0)

    def learn(self, batch: Batch, ends: Latents) -> Metrics:
        return self._parts[0].learn(batch, ends) | self._parts[1].learn(batch, ends)
