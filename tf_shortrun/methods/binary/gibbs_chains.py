"""Gibbs chains of an undirected prior: persistent chains for training, new chains for samples.

    z <- K sweeps of block Gibbs sampling from z,     one z for each chain

The ends of the persistent chains give the negative phase of the gradient.

References: T. Tieleman, Training restricted Boltzmann machines using approximations to the
likelihood gradient, ICML 2008.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed
from tf_shortrun.kernels import gibbs
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.binary.chain_store import ChainStore
from tf_shortrun.methods.binary.rbm import GeometricPath, RestrictedBoltzmann


class PersistentChains:
    """Persistent chains. All replicas store all chains, and each replica moves its share.

    Args:
      num_chains: number of chains over all replicas.
      num_sweeps: K.

    Raises:
      InputError: if a number is not positive, or replicas cannot share the chains equally.
    """

    def __init__(self, num_chains: int, num_sweeps: int):
        if min(num_chains, num_sweeps) < 1:
            raise InputError(
                f"num_chains is {num_chains}, num_sweeps {num_sweeps}: choose positive numbers"
            )
        check_most(num_chains=num_chains, num_sweeps=num_sweeps)
        self._num_chains, self._num_sweeps = num_chains, num_sweeps

    @property
    def state(self) -> dict:
        return {"chains": self._chains.variable}

    def build(self, prior: RestrictedBoltzmann):
        """Creates the chains, with bits that are 1 with probability 1/2."""
        self._chains = ChainStore(self._num_chains, [prior.num_visible])

    def move(self, prior: RestrictedBoltzmann, seed: Seed) -> tuple[tf.Tensor, tf.Tensor]:
        """Moves this replica's chains by K sweeps; returns [C, m] and the share of changed bits.

        Called in replica context. Then every replica stores the ends of all chains.
        """
        start = gibbs.init(self._chains.own())
        state, info = unroll(sweep_of(prior), start, gibbs.sweeps(self._num_sweeps), seed)
        self._chains.store(state.visible)
        return state.visible, tf.reduce_mean(info.changed)


def sample(path: GeometricPath, num, num_sweeps: int, seed: Seed) -> tf.Tensor:
    """Draws from the end of the path, by new chains: [num, m].

    Chains start from the independent bits; the first half of the sweeps follows the path.
    """
    seeds, half = noise.split(seed, 2), num_sweeps // 2
    start = gibbs.init(gibbs.draw(tf.repeat(path.base[None], num, axis=0), seeds[0]))
    controls = tf.concat([gibbs.annealing(half), gibbs.sweeps(num_sweeps - half)], axis=0)
    step = gibbs.make_step(path.hidden_logits, path.visible_logits)
    return unroll(step, start, controls, seeds[1])[0].visible


def sweep_of(prior: RestrictedBoltzmann) -> Callable:
    """Returns the Gibbs kernel of the prior itself; its controls are those of `gibbs.sweeps`."""
    return gibbs.make_step(
        lambda z, _: prior.hidden_logits(z), lambda h, _: prior.visible_logits(h)
    )
