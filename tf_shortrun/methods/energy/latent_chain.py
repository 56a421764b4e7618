"""Chains of Metropolis-adjusted Langevin steps that move latents to low energy E(G(z)).

The moves leave exp(-U(z)) invariant (see `kernels/mala.py`). U is one of three:

    paper  b E(G(z))
    prior  b E(G(z)) + ||z||^2 / 2
    ddls   b (E(G(z)) - 1/2 log det J^T J) + (1 - b) ||z||^2 / 2,     J = dG / dz

with b the inverse temperature. `paper` is the published target. It ignores the prior, and exp(-U)
may not be normalisable. `prior` keeps the chain near the latents on which the generator was
trained. Neither gives x = G(z) the density exp(-E). `ddls`, discriminator-driven latent sampling,
does:

    U = ||z||^2 / 2 - b d(G(z)),     d(x) = -E(x) - log p_G(x)
    log p_G(G(z)) = log N(z; 0, I) - 1/2 log det J^T J        for an injective G

so that x = G(z) has the density p_G(x)^(1 - b) exp(-b E(x)) on the range of the generator, which
is exp(-E) for b = 1. If several z give the same x, the density at x is too large. `ddls` computes
a Jacobian at every step, so use it with few latents, at most as many as an observation has
components. Where J loses rank the density of z is 0, and no chain moves there.

References:
  R. Kumar, S. Ozair, A. Goyal, A. Courville, Y. Bengio, Maximum entropy generators for
    energy-based models, arXiv 1901.08508.
  T. Che et al., Your GAN is secretly an energy-based model and you should use discriminator
    driven latent sampling, NeurIPS 2020.
"""

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

import tensorflow as tf

from tf_shortrun.core.counts import check_length
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed
from tf_shortrun.kernels import mala
from tf_shortrun.kernels.unroll import unroll

_FORMULAS = {
    "paper": "b E(G(z))",
    "prior": "b E(G(z)) + |z|^2 / 2",
    "ddls": "b (E(G(z)) - log det(J^T J) / 2) + (1 - b) |z|^2 / 2",
}


class LatentWalk(NamedTuple):
    """The record of a chain.

    states: [K + 1, B, d], the start first. acceptance: [K, B], the probability of each move.
    """

    states: tf.Tensor
    acceptance: tf.Tensor


@dataclasses.dataclass(frozen=True)
class LatentChain:
    """A `Chain` of `num_steps` moves of `step_size`, in the convention of `kernels/langevin.py`.

    In the paper, alpha is this step size, and temp is this inverse temperature.
    """

    target: Literal["paper", "prior", "ddls"]
    num_steps: int
    step_size: float
    inverse_temperature: float

    def __post_init__(self):
        if self.target not in _FORMULAS:
            raise InputError(f"target is {self.target!r}: choose one of {', '.join(_FORMULAS)}")
        if self.num_steps < 1 or not (self.step_size > 0 and self.inverse_temperature > 0):
            raise InputError(
                f"{self}: choose at least one step, a positive step size and inverse temperature"
            )
        check_length(self.num_steps)

    @property
    def name(self) -> str:
        return f"{self.target}+{self.num_steps}"

    @property
    def description(self) -> str:
        return (
            f"{self.num_steps} Metropolis-adjusted Langevin steps of size {self.step_size:g} "
            f"on the latents, with target exp(-U), U = {_FORMULAS[self.target]}, "
            f"b = {self.inverse_temperature:g}"
        )

    def __call__(
        self, energy: Callable, decode: Callable, latents: tf.Tensor, seed: Seed
    ) -> LatentWalk:
        """Runs the chains from `latents` [B, d].

        Raises:
          InputError: as `potential`.
        """

        def log_prob_fn(state):
            return -self.potential(energy, decode, state[0])

        move = mala.make_step(log_prob_fn)

        def step(state, step_sizes, seed):
            state, info = move(state, step_sizes, seed)
            return state, (state.latents[0], info.acceptance)

        begin = mala.init(log_prob_fn, [latents])
        controls = tf.fill([self.num_steps, 1], self.step_size)
        _, (states, acceptance) = unroll(step, begin, controls, seed)
        return LatentWalk(tf.concat([latents[None], states], axis=0), acceptance)

    def potential(self, energy: Callable, decode: Callable, latents: tf.Tensor) -> tf.Tensor:
        """Returns U(z) up to a constant: [B], nats.

        Raises:
          InputError: if the target is `ddls` and there are more latents than outputs.
        """
        beta, prior = self.inverse_temperature, tf.reduce_sum(latents**2, axis=-1) / 2.0
        if self.target == "ddls":
            x, log_volume = _decode_with_volume(decode, latents)
            return beta * (energy(x) - log_volume) + (1.0 - beta) * prior
        potential = beta * energy(decode(latents))
        return potential + prior if self.target == "prior" else potential


def _decode_with_volume(decode: Callable, latents: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns G(z) and 1/2 log det J^T J = sum_i log sigma_i, sigma_i singular values of J: [B]."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(latents)
        x = decode(latents)
        flat = tf.reshape(x, [-1, x.shape[1:].num_elements()])
    if latents.shape[1] > flat.shape[1]:
        raise InputError(
            f"{latents.shape[1]} latents make {flat.shape[1]} numbers, which then have no "
            "density: choose the target prior"
        )
    jacobian = tape.batch_jacobian(flat, latents)
    singular = tf.linalg.svd(jacobian, compute_uv=False)
    return x, tf.reduce_sum(tf.math.log(singular), axis=-1)
