"""Stateless noise: the same numbers eager or compiled, on one replica or on many.

`tf.random.stateless_normal` draws other numbers under XLA than outside XLA. Raw
integer bits are the same in both cases, so `normal` computes floats from bits by Box-Muller:

    n_1 = sqrt(-2 log u) cos(2 pi v),   n_2 = sqrt(-2 log u) sin(2 pi v)

Rows are drawn one after the other, so the noise of an example depends only on the
seed and on its place in the global batch. It does not depend on the batch size or on
the number of replicas (each replica draws all rows and keeps its own).

A seed is [2], or [rows, 2] with one seed for each row. Then a row depends on its own seed alone: it
is the row that this seed draws first. So a server can put requests with different seeds together.

References: G. E. P. Box, M. E. Muller, A note on the generation of random normal
deviates, Annals of Mathematical Statistics 1958.
"""

import math
import numbers
import zlib

import numpy as np
import tensorflow as tf

from tf_shortrun.core import philox
from tf_shortrun.core.shapes import Seed

# With the default, TensorFlow uses another algorithm inside XLA than outside for negative seeds.
_ALGORITHM = "philox"


def make_seed(number: int | Seed) -> Seed:
    """Returns a seed for an integer; a seed passes unchanged."""
    if not isinstance(number, numbers.Integral):
        return number
    return tf.constant([number % 2**31, 0], tf.int32)


def fold(seed: Seed, count) -> Seed:
    """Returns a new seed from a seed and the index of a repetition: of a step, a layer, a batch.

    Args:
      count: the index, an integer of at least 0.
    """
    count = tf.cast(count, tf.int32)
    if _is_one_a_row(seed):
        first = philox.words(seed, 1)
        return tf.concat([first, tf.fill(tf.shape(first), count)], axis=1)
    return tf.random.fold_in(seed, count, _ALGORITHM)


def stream(seed: Seed, purpose: str) -> Seed:
    """Returns a new seed from a seed and a word that names the purpose.

    Words become negative integers, so the new seed differs from all seeds of `fold`.
    """
    return fold(seed, -1 - zlib.crc32(purpose.encode()) % 2**31)


def split(seed: Seed, num: int) -> list[Seed]:
    """Returns `num` independent seeds from one seed."""
    if _is_one_a_row(seed):
        return tf.split(philox.words(seed, 2 * num), num, axis=1)
    return tf.unstack(tf.random.split(seed, num, _ALGORITHM))


def normal(seed: Seed, shape) -> tf.Tensor:
    """Draws standard normal noise, float32; `shape[0]` counts the examples of this replica.

    The largest magnitude is sqrt(48 log 2) = 5.77, because a uniform number has 24 bits.
    """
    columns = 2 * math.ceil(math.prod(shape[1:]) / 2)
    return _box_muller(uniform(seed, [shape[0], columns]), shape)


def shared_normal(seed: Seed, shape) -> tf.Tensor:
    """Draws standard normal noise that is the same [rows, ...] on every replica.

    For noise that does not belong to single examples.
    """
    return _box_muller(_uniform(seed, shape[0], 2 * math.ceil(math.prod(shape[1:]) / 2)), shape)


def uniform(seed: Seed, shape) -> tf.Tensor:
    """Draws uniform numbers in [0, 1), [rows, columns], for the rows of this replica.

    Each number has 24 random bits.
    """
    rows, columns = shape
    if _is_one_a_row(seed):
        return _fractions(philox.words(seed, columns))
    replica = tf.distribute.get_replica_context()
    # In cross-replica context (evaluation, export) nothing is divided over replicas.
    first, total = 0, rows
    if replica is not None:
        first = replica.replica_id_in_sync_group * rows
        total = replica.num_replicas_in_sync * rows
    return _uniform(seed, total, columns)[first : first + rows]


def _is_one_a_row(seed: Seed) -> bool:
    return np.ndim(seed) == 2 if not tf.is_tensor(seed) else seed.shape.rank == 2


def _uniform(seed: Seed, rows, columns) -> tf.Tensor:
    bits = tf.random.stateless_uniform([rows, columns], seed, None, None, tf.int32, alg=_ALGORITHM)
    return _fractions(bits)


def _fractions(bits: tf.Tensor) -> tf.Tensor:
    bits = tf.bitwise.right_shift(tf.bitcast(bits, tf.uint32), tf.constant(8, tf.uint32))
    return tf.cast(bits, tf.float32) * 2.0**-24


def _box_muller(uniforms: tf.Tensor, shape) -> tf.Tensor:
    u, v = tf.split(uniforms, 2, axis=1)
    radius, angle = tf.sqrt(-2.0 * tf.math.log(1.0 - u)), 2.0 * math.pi * v
    pair = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=1)
    return tf.reshape(pair[:, : math.prod(shape[1:])], [shape[0], *shape[1:]])
