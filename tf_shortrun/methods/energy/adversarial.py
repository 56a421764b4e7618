"""What learners share in which one network judges the observations that another makes.

Both take steps in turn, each down a loss of its own, and the slope of the judge is penalised.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.energy.energy import Energy, Generator


def check_shapes(energy: Energy, generator: Generator):
    """Raises InputError unless one takes what the other makes."""
    if energy.state_shape != generator.state_shape:
        raise InputError(
            f"the generator makes {generator.state_shape} and the energy takes "
            f"{energy.state_shape}: give both the shape of the data"
        )


def deal(x: tf.Tensor, num: int) -> list[tf.Tensor]:
    """A part [B / num, ...] for each of `num` updates.

    A part is every num-th example, so that it holds the same examples on one replica and on many.

    Raises:
      InputError: if parts would not be equal.
    """
    if x.shape[0] % num:
        raise InputError(
            f"{num} updates do not divide the {x.shape[0]} examples of a replica: "
            "choose another batch_size"
        )
    return [x[i::num] for i in range(num)]


def slope(fn: Callable, x: tf.Tensor) -> tf.Tensor:
    """grad_x fn(x) of each example [B, ...], for fn from [B, ...] to [B]; differentiable."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total = tf.reduce_sum(fn(x))
    return tape.gradient(total, x)


def squared_norm(x: tf.Tensor) -> tf.Tensor:
    """||x||^2 of each example: [B]."""
    return tf.reduce_sum(x**2, axis=list(range(1, len(x.shape))))
