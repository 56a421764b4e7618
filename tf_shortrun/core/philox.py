"""The random bits of TensorFlow's stateless functions, for one seed a row, all rows at once.

Row i has the bits that `tf.random.stateless_uniform(..., seed_i, alg="philox")` has, which takes
one seed alone. A counter (i, 0, c_2, c_3) gives words 4 i .. 4 i + 3 after ten rounds of

    (a, b, c, d)  ->  (high(M_1 c) ^ b ^ k_0,  low(M_1 c),  high(M_0 a) ^ d ^ k_1,  low(M_0 a))

while the key (k_0, k_1) grows by (W_0, W_1) each round. Key and c_2, c_3 come from the seed, mixed
by the same rounds.

References: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as
1, 2, 3, SC 2011 (Philox4x32-10).
"""

import tensorflow as tf

from tf_shortrun.core.shapes import Seed

_NUM_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_GROWTH = (0x9E3779B9, 0xBB67AE85)
_KEY_OF_SEEDS = (0x3EC8F720, 0x02461E29)  # TensorFlow's


# Not inlined: a graph would have its hundred operations once for each draw.
@tf.function(autograph=False, reduce_retracing=True, experimental_attributes={"_noinline": True})
def words(seeds: Seed, num: int) -> tf.Tensor:
    """Returns the first `num` words of each seed: int32 [B, num].

    Args:
      seeds: int32 [B, 2].
    """
    numbers = tf.bitcast(tf.transpose(seeds)[..., None], tf.uint32)  # a and c: [2, B, 1]
    # Each number of a seed fills 64 bits, so its sign becomes b or d.
    signs = tf.bitcast(tf.bitwise.right_shift(tf.transpose(seeds), 31)[..., None], tf.uint32)
    key, rest = _mix(numbers, signs, _constant(_KEY_OF_SEEDS))
    counter = tf.cast(tf.range((num + 3) // 4), tf.uint32)
    first, second = counter + tf.zeros_like(rest[0]), rest + tf.zeros_like(counter)
    even = tf.stack([first, second[0]])
    odd = tf.stack([tf.zeros_like(first), second[1]])
    mixed = tf.transpose(tf.concat(_mix(even, odd, key), axis=0), [1, 2, 0])
    return tf.bitcast(tf.reshape(mixed, [tf.shape(seeds)[0], -1])[:, :num], tf.int32)


def _mix(even: tf.Tensor, odd: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (a, b) and (c, d) of (a, c) and (b, d), each uint32 [2, B, any]."""
    for i in range(_NUM_ROUNDS):
        grown = key + _constant([i * w % 2**32 for w in _GROWTH])
        product = tf.cast(even, tf.uint64) * tf.cast(_constant(_MULTIPLIERS), tf.uint64)
        high = tf.cast(tf.bitwise.right_shift(product, tf.constant(32, tf.uint64)), tf.uint32)
        even = tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(high[::-1], odd), grown)
        odd = tf.cast(product, tf.uint32)[::-1]
    return tf.stack([even[0], odd[0]]), tf.stack([even[1], odd[1]])


def _constant(pair) -> tf.Tensor:
    return tf.constant(pair, tf.uint32, [2, 1, 1])
