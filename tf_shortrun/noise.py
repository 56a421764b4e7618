"""Stateless noise: the same numbers eager or compiled, on one replica or on many.

`tf.random.stateless_normal` draws other numbers under XLA than outside it. Raw
integer bits do not, so `normal` makes its own floats from them by Box-Muller:

    n_1 = sqrt(-2 log u) cos(2 pi v),   n_2 = sqrt(-2 log u) sin(2 pi v)

Rows are drawn one after the other, so the noise of an example depends on its
place in the global batch and on nothing else: not on the batch size, not on the
number of replicas (each replica draws the rows of all and keeps its own).

References: G. E. P. Box, M. E. Muller, A note on the generation of random normal
deviates, Annals of Mathematical Statistics 1958.
"""

import math

import tensorflow as tf

from tf_shortrun.shapes import Seed

# Left to choose, TensorFlow takes another way inside XLA than outside for negative seeds.
_ALGORITHM = "philox"


def make_seed(number: int) -> Seed:
    """A seed from a plain integer."""
    return tf.constant([number % 2**31, 0], tf.int32)


def fold(seed: Seed, data) -> Seed:
    """A new seed from a seed and an integer (a step, a layer, a purpose)."""
    return tf.random.fold_in(seed, tf.cast(data, tf.int32), _ALGORITHM)


def split(seed: Seed, num: int) -> list[Seed]:
    """`num` independent seeds from one."""
    return tf.unstack(tf.random.split(seed, num, _ALGORITHM))


def normal(seed: Seed, shape) -> tf.Tensor:
    """Standard normal noise, float32; `shape[0]` counts the examples of this replica.

    Largest magnitude sqrt(48 log 2) = 5.77, as 24 bits make one uniform number.
    """
    rows, columns = shape[0], math.prod(shape[1:])
    u, v = tf.split(uniform(seed, [rows, 2 * math.ceil(columns / 2)]), 2, axis=1)
    radius, angle = tf.sqrt(-2.0 * tf.math.log(1.0 - u)), 2.0 * math.pi * v
    pair = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=1)
    return tf.reshape(pair[:, :columns], [rows, *shape[1:]])


def uniform(seed: Seed, shape) -> tf.Tensor:
    """Uniform numbers in [0, 1) from 24 random bits each, [rows, columns]: this replica's rows."""
    rows, columns = shape
    replica = tf.distribute.get_replica_context()
    # In cross-replica context (evaluation, export) there is one reader of the noise.
    first, total = 0, rows
    if replica is not None:
        first = replica.replica_id_in_sync_group * rows
        total = replica.num_replicas_in_sync * rows
    bits = tf.random.stateless_uniform([total, columns], seed, None, None, tf.int32, alg=_ALGORITHM)
    bits = tf.bitcast(bits[first : first + rows], tf.uint32)
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(8, tf.uint32)), tf.float32) * 2.0**-24
