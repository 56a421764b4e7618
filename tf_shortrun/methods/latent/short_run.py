"""Short-run inference: K steps of Langevin dynamics, by default from fresh prior noise.

    z_0 ~ N(0, I),   z_{k+1} = z_k + s grad log p(z_k, x) + sqrt(2 s) xi_k,   k < K

All layers move jointly, in noise space. The chain is too short to reach the posterior, by design:
the distribution of z_K is itself the approximate posterior q_s(z | x).

    model = Decoder(keras_network, latent_widths=[20], sigma=0.3)
    posterior = ShortRun(num_steps=20, step_size=0.005)(model, x, seed=0)

References: E. Nijkamp et al., ECCV 2020.
"""

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, cast

import numpy as np
import tensorflow as tf

from tf_shortrun.core import nest, noise
from tf_shortrun.core.capabilities import only_if
from tf_shortrun.core.counts import check_length
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.data.arrays import observations
from tf_shortrun.kernels import langevin
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.latent import curvature, volume
from tf_shortrun.methods.latent.inference import Posterior
from tf_shortrun.methods.latent.latent_model import LatentModel
from tf_shortrun.methods.latent.preconditioner import GaussNewton
from tf_shortrun.methods.latent.start import Prior, Start
from tf_shortrun.methods.latent.step_size import Adaptive
from tf_shortrun.networks.precision import cast_once


@dataclasses.dataclass(frozen=True)
class ShortRun:
    """An `Inference` by K Langevin steps for every example of a batch.

    Attributes:
      num_steps: K.
      step_size: s, a number; or [L] by layer, [K, 1] by step, [K, L] by both; or a rule that
        adapts the step sizes while the model learns, see `methods/latent/step_size.py`.
      noise_scale: 1 for Langevin dynamics, 0 for gradient ascent.
      start: the `Start` of the chains; the published method starts from the prior.
      preconditioner: None, or a diagonal matrix that multiplies the step sizes.
      longest_move: None, or a bound on the drift of a step, in standard deviations of the prior
        (root mean square over the latents of an example); the published method has none.
    """

    num_steps: int
    step_size: float | tuple | list | Adaptive
    noise_scale: float = 1.0
    start: Start = dataclasses.field(default_factory=Prior)
    preconditioner: GaussNewton | None = None
    longest_move: float | None = None
    num_particles: ClassVar = 1

    def __post_init__(self):
        check_length(self.num_steps)
        if not self.noise_scale >= 0:
            raise InputError(f"noise_scale is {self.noise_scale}: choose a number from 0 on")
        if self._rule is None and not np.all(np.asarray(self.step_size) > 0):
            raise InputError(f"step_size is {self.step_size}: every step must be positive")
        if self.longest_move is not None and not self.longest_move > 0:
            raise InputError(
                f"longest_move is {self.longest_move}: choose a positive bound, or None"
            )

    @property
    def state(self) -> dict:
        parts = [part for part in (self.start, self.preconditioner, self._rule) if part is not None]
        return {name: value for part in parts for name, value in part.state.items()}

    def build(self, model: LatentModel):
        self.start.build(model)
        if self.preconditioner is not None:
            self.preconditioner.build(model)
        if self._rule is not None:
            self._rule.build(self.num_steps, len(model.latent_widths))

    def __call__(
        self, model: LatentModel, batch: Batch | np.ndarray, seed: Seed | int
    ) -> Posterior:
        """Infers latents by K steps.

        Args:
          batch: a batch, or its observations alone, [B, ...], uint8 or on [-1, 1].
        """
        if not isinstance(batch, Mapping):
            batch = {"image": observations(batch, tuple(model.image_shape))}
        return self.chain(model, batch, noise.make_seed(seed))

    def chain(
        self,
        model: LatentModel,
        batch: Batch,
        seed: Seed,
        times: float = 1,
        noise_scale: float | None = None,
    ) -> Posterior:
        """Infers latents by `times` K steps; steps after the K-th have the last step size."""
        sizes = self.step_sizes(len(model.latent_widths), times)
        state, info = self.run(model, batch, sizes, seed, noise_scale)
        return Posterior(nest.stop_gradient(state.latents), info, _watch(state, info))

    def run(
        self,
        model: LatentModel,
        batch: Batch,
        step_sizes: tf.Tensor,
        seed: Seed,
        noise_scale: float | None = None,
    ) -> tuple[langevin.LangevinState, langevin.LangevinInfo]:
        """Runs the chain with given step sizes [K, L], in which its end is differentiable."""
        noise_scale = self.noise_scale if noise_scale is None else noise_scale
        begin = langevin.LangevinState(self.start.draw(model, batch, noise.stream(seed, "start")))
        log_joint = model.log_joint_of(batch)
        step = langevin.make_step(log_joint, noise_scale, self.diagonal, self.longest_move)
        with cast_once(model):
            return unroll(step, begin, step_sizes, noise.stream(seed, "chain"))

    @only_if(lambda self: self.longest_move is None)
    def log_weights(
        self, model: LatentModel, batch: Batch, seed: Seed, step_sizes: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Returns log p(x, z_K) - log q(z_K | x, xi) of one chain for each example: [B], nats.

        q is the distribution of z_K given the noise xi of the chain, see
        `methods/latent/volume.py`. It computes a Hessian [d, d] for every step and example.
        """
        if step_sizes is None:
            step_sizes = self.step_sizes(len(model.latent_widths))
        latents = self.start.draw(model, batch, noise.stream(seed, "start"))
        step = volume.make_step(model.log_joint_of(batch), self.noise_scale, self.diagonal)
        begin = volume.begin(latents)
        end, _ = unroll(step, begin, step_sizes, noise.stream(seed, "chain"))
        log_end = model.log_joint_of(batch)(end.state.latents)
        return log_end - self.start.log_prob(model, batch, latents) + end.log_det

    def learn(self, model: LatentModel, batch: Batch, posterior: Posterior, seed: Seed) -> Metrics:
        """Updates the start and the preconditioner from the ends of the chains."""
        if self.preconditioner is not None:
            self.preconditioner.learn(
                model, posterior.latents, noise.stream(seed, "preconditioner")
            )
        return self.start.learn(batch, posterior.latents)

    @only_if(lambda self: self._rule is not None)
    def adapt(self, model: LatentModel, batch: Batch, seed: Seed) -> dict[str, tf.Tensor]:
        """Lets the rule choose step sizes anew for the current model."""
        return cast(Adaptive, self._rule).adapt(self, model, batch, seed)

    def watch(self, model: LatentModel, batch: Batch, seed: Seed) -> Metrics:
        """Returns s lambda at three places of the chains, see `methods/latent/curvature.py`."""
        return curvature.along_chain(self, model, batch, seed)

    def step_sizes(self, num_layers: int, times: float = 1) -> tf.Tensor | np.ndarray:
        """Returns the step sizes of all steps, [times * K, L].

        Raises:
          InputError: if `step_size` does not broadcast to [K, L].
        """
        num_steps = max(1, round(times * self.num_steps))
        sizes = self._constant(num_layers) if self._rule is None else self._rule.value
        late = tf.repeat(sizes[-1:], max(0, num_steps - self.num_steps), axis=0)
        return tf.concat([sizes[:num_steps], late], axis=0)

    @property
    def _rule(self) -> Adaptive | None:
        return self.step_size if isinstance(self.step_size, Adaptive) else None

    def _constant(self, num_layers: int) -> np.ndarray:
        shape = (self.num_steps, num_layers)
        try:
            return np.broadcast_to(np.asarray(self.step_size, np.float32), shape)
        except ValueError as error:
            raise InputError(
                f"step_size {self.step_size} does not broadcast to [K, L] = {shape}"
            ) from error

    @property
    def diagonal(self) -> Latents | None:
        return None if self.preconditioner is None else self.preconditioner.diagonal


def _watch(state: langevin.LangevinState, info: langevin.LangevinInfo) -> Metrics:
    """Returns latent_norm: mean ||z||^2 / d, 1 under the prior; and log_joint_gain, in nats.

    log_joint_gain: mean log p(x, z_{K-1}) - log p(x, z_0), before the last and the first step.
    """
    width = sum(z.shape[-1] for z in state.latents)
    log_joint = tf.reduce_mean(info.log_prob, axis=-1)
    return {
        "latent_norm": tf.reduce_mean(nest.squared_norm(state.latents)) / width,
        "log_joint_gain": log_joint[-1] - log_joint[0],
    }
