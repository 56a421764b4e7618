"""Functions shared by learners in which one network scores the samples of a generator.

The two networks take turns, each with its own loss. The gradient norm of the scoring network is
penalised.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.energy.energy import Energy, Generator


def check_shapes(energy: Energy, generator: Generator):
    """Raises InputError unless the energy takes observations of the generator's shape."""
    if energy.state_shape != generator.state_shape:
        raise InputError(
            f"the generator makes {generator.state_shape} and the energy takes "
            f"{energy.state_shape}: give both the shape of the data"
        )


def deal(x: tf.Tensor, num: int) -> list[tf.Tensor]:
    """Returns a part [B / num, ...] of the batch for each of `num` updates.

    A part is every num-th example, so that it has the same examples for any number of replicas.

    Raises:
      InputError: if `num` does not divide the number of examples.
    """
    if x.shape[0] % num:
        raise InputError(
            f"{num} updates do not divide the {x.shape[0]} examples of a replica: "
            "choose another batch_size"
        )
    return [x[i::num] for i in range(num)]


def slope(fn: Callable, x: tf.Tensor) -> tf.Tensor:
    """Returns grad_x fn(x) for fn from [B, ...] to [B]: as x, differentiable."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        total = tf.reduce_sum(fn(x))
    return tape.gradient(total, x)


def squared_norm(x: tf.Tensor) -> tf.Tensor:
    """Returns ||x||^2 of each example: [B]."""
    return tf.reduce_sum(x**2, axis=list(range(1, len(x.shape))))
