"""Short-run inference: K steps of Langevin dynamics from fresh prior noise.

    z_0 ~ N(0, I),   z_{k+1} = z_k + s grad log p(z_k, x) + sqrt(2 s) xi_k,   k < K

All layers move jointly, in noise space. The chain is meant to be too short to reach
the posterior: the law of z_K is the approximate posterior itself, q_s(z | x).

    model = Decoder(keras_network, latent_widths=[20], sigma=0.3)
    posterior = ShortRun(num_steps=20, step_size=0.005)(model, {"image": x}, make_seed(0))

References: E. Nijkamp et al., ECCV 2020.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_shortrun import nest, noise
from tf_shortrun.dynamics import langevin
from tf_shortrun.dynamics.unroll import unroll
from tf_shortrun.errors import InputError
from tf_shortrun.inference.base import Posterior
from tf_shortrun.models.latent_model import LatentModel
from tf_shortrun.shapes import Batch, Metrics, Seed


def run_chain(
    model: LatentModel, x: tf.Tensor, step_sizes: tf.Tensor, seed: Seed, noise_scale: float = 1.0
) -> tuple[langevin.LangevinState, langevin.LangevinInfo]:
    """A short run for observations `x` with step sizes [K, L]; gradients flow into the sizes."""
    start = model.sample_latents(tf.shape(x)[0], noise.fold(seed, 0))
    step = langevin.make_step(lambda z: model.log_joint(z, x), noise_scale)
    return unroll(step, langevin.LangevinState(start), step_sizes, noise.fold(seed, 1))


@dataclasses.dataclass(frozen=True)
class ShortRun:
    """K Langevin steps for every example of a batch.

    Attributes:
      num_steps: K.
      step_size: s, a number; or [L] by layer, [K, 1] by step, [K, L] by both.
      noise_scale: 1 for Langevin dynamics, 0 for gradient ascent.
    """

    num_steps: int
    step_size: float | Sequence[float] | Sequence[Sequence[float]]
    noise_scale: float = 1.0

    def __post_init__(self):
        if self.num_steps < 1:
            raise InputError(f"num_steps is {self.num_steps}: choose at least one step")
        if not np.all(np.asarray(self.step_size) > 0):
            raise InputError(f"step_size is {self.step_size}: every step must be positive")

    def __call__(self, model: LatentModel, batch: Batch, seed: Seed, times: int = 1) -> Posterior:
        """Infers latents of `batch["image"]`; `times` K steps, the last step size kept on."""
        sizes = self.step_sizes(len(model.latent_widths), times)
        state, info = run_chain(model, batch["image"], sizes, seed, self.noise_scale)
        return Posterior(nest.stop_gradient(state.latents), info, _watch(state, info))

    def step_sizes(self, num_layers: int, times: int = 1) -> np.ndarray:
        """The schedule [times * K, L].

        Raises:
          InputError: if `step_size` does not broadcast to [K, L].
        """
        shape = (self.num_steps, num_layers)
        try:
            sizes = np.broadcast_to(np.asarray(self.step_size, np.float32), shape)
        except ValueError as error:
            raise InputError(
                f"step_size {self.step_size} does not broadcast to [K, L] = {shape}"
            ) from error
        return np.concatenate([sizes, np.repeat(sizes[-1:], (times - 1) * self.num_steps, axis=0)])


def _watch(state: langevin.LangevinState, info: langevin.LangevinInfo) -> Metrics:
    """latent_norm: ||z||^2 / d, 1 under the prior. log_joint_gain: nats from first to last step."""
    width = sum(z.shape[-1] for z in state.latents)
    log_joint = tf.reduce_mean(info.log_prob, axis=-1)
    return {
        "latent_norm": tf.reduce_mean(nest.squared_norm(state.latents)) / width,
        "log_joint_gain": log_joint[-1] - log_joint[0],
    }
