"""Chains of Metropolis-adjusted Langevin steps on observations, from samples of a generator.

Every move leaves exp(-E(x)) / Z invariant.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core.counts import check_length
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed
from tf_shortrun.kernels import mala
from tf_shortrun.kernels.unroll import unroll


@dataclasses.dataclass(frozen=True)
class Refinement:
    """A chain of `num_steps` moves of `step_size`, in the convention of `kernels/langevin.py`."""

    num_steps: int
    step_size: float

    def __post_init__(self):
        if self.num_steps < 1 or not self.step_size > 0:
            raise InputError(f"{self}: choose at least one step, and a positive step size")
        check_length(self.num_steps)

    def __call__(self, energy: Callable, start: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Returns the ends of chains from `start` [B, ...] with target exp(-energy): as start."""

        def log_prob_fn(points):
            return -energy(points[0])

        begin = mala.init(log_prob_fn, [start])
        controls = tf.fill([self.num_steps, 1], self.step_size)
        end, _ = unroll(mala.make_step(log_prob_fn), begin, controls, seed)
        return end.latents[0]
