"""The states of persistent chains, which all replicas store, while each moves its share."""

import math

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.means import shared_variable
from tf_shortrun.kernels import gibbs


class ChainStore:
    """Binary states [C, *shape], C over all replicas; at first each bit is 1 with probability 1/2.

    Make it under the scope of the strategy; `own` and `store` are called in replica context.

    Raises:
      InputError: if replicas cannot share the chains equally.
    """

    def __init__(self, num_chains: int, shape: list[int]):
        num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if num_chains % num_replicas:
            raise InputError(
                f"{num_replicas} replicas cannot share {num_chains} chains: choose a multiple"
            )
        rows = num_chains * math.prod(shape[:-1])
        first = gibbs.draw(tf.zeros([rows, shape[-1]]), noise.make_seed(0))
        self.variable = shared_variable(tf.reshape(first, [num_chains, *shape]))

    def own(self) -> tf.Tensor:
        """Returns the chains of this replica, [C / replicas, *shape]."""
        replica = tf.distribute.get_replica_context()
        num = self.variable.shape[0] // replica.num_replicas_in_sync
        first = replica.replica_id_in_sync_group * num
        return tf.convert_to_tensor(self.variable)[first : first + num]

    def store(self, ends: tf.Tensor):
        """Stores the chains of all replicas, each of which gives its own."""
        replica = tf.distribute.get_replica_context()
        self.variable.assign(replica.all_gather(ends, axis=0))
