"""Persistent chains of an undirected prior at several temperatures, which exchange their states."""

import tensorflow as tf

from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed
from tf_shortrun.kernels import tempering
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.binary.chain_store import ChainStore
from tf_shortrun.methods.binary.rbm import GeometricPath, RestrictedBoltzmann


class TemperedChains:
    """Like `PersistentChains`, by parallel tempering from independent bits, see `tempering`.

    It costs num_temperatures times as much a sweep, and finds modes that are far apart.

    Args:
      num_chains: number of chains at each temperature, over all replicas.
      num_sweeps: K, with an exchange after each.
      num_temperatures: R, betas in even steps from 0 to 1.

    Raises:
      InputError: if a number is too small, or replicas cannot share the chains equally.
    """

    def __init__(self, num_chains: int, num_sweeps: int, num_temperatures: int):
        if min(num_chains, num_sweeps, num_temperatures - 1) < 1:
            raise InputError(
                f"num_chains is {num_chains}, num_sweeps {num_sweeps}, num_temperatures "
                f"{num_temperatures}: choose positive numbers, and two temperatures or more"
            )
        check_most(num_chains=num_chains, num_sweeps=num_sweeps, num_temperatures=num_temperatures)
        self._num_chains, self._num_sweeps = num_chains, num_sweeps
        self._num_temperatures = num_temperatures

    @property
    def state(self) -> dict:
        return {"chains": self._chains.variable}

    def build(self, prior: RestrictedBoltzmann):
        """Creates the chains [C, R, m], with bits that are 1 with probability 1/2."""
        shape = [self._num_temperatures, prior.num_visible]
        self._chains = ChainStore(self._num_chains, shape)

    def move(self, prior: RestrictedBoltzmann, seed: Seed) -> tuple[tf.Tensor, tf.Tensor]:
        """Moves this replica's chains by K sweeps; returns those of beta = 1, [C, m], and the share
        of their bits that changed, over all K.

        Called in replica context. Then every replica stores the ends of all chains.
        """
        start = self._chains.own()
        path = GeometricPath(prior, tf.convert_to_tensor(prior.visible_bias))
        betas = tf.linspace(0.0, 1.0, self._num_temperatures)
        step = tempering.make_step(
            path.hidden_logits, path.visible_logits, path.log_unnormalised, betas
        )
        ends, _ = unroll(step, start, tempering.controls(self._num_sweeps), seed)
        self._chains.store(ends)
        return ends[:, -1], tf.reduce_mean(tf.abs(ends[:, -1] - start[:, -1]))
