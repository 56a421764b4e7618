"""The only loop over steps: it runs K steps of any kernel."""

from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.shapes import Seed


def unroll(step: Callable, state, controls, seed: Seed):
    """Runs K steps of a kernel, and returns the last state and all infos.

        state_{k+1}, info_k = step(state_k, controls[k], seed_k),  k = 0 .. K-1

    The controls are the schedule: step sizes, temperatures or inverse temperatures,
    one entry per step. `step` is traced once for any K. Only the infos need memory that
    grows with K, unless a gradient through the chain is taken.

    Args:
      step: `(state, control, seed) -> (state, info)`, pure; all are nests of tensors.
      state: the first state.
      controls: a nest of tensors with leading axis K.
      seed: step k gets `fold(seed, k)`.

    Returns:
      The last state, and the infos stacked along a new first axis [K, ...].
    """
    controls = tf.nest.map_structure(tf.convert_to_tensor, controls)
    num_steps = tf.shape(tf.nest.flatten(controls)[0])[0]

    def nth(k):
        return tf.nest.map_structure(lambda c: c[k], controls), noise.fold(seed, k)

    # A concrete function, because its outputs give the types and shapes of the infos.
    concrete = tf.function(step, autograph=False).get_concrete_function(state, *nth(0))
    _, info = concrete.structured_outputs
    records = [
        tf.TensorArray(x.dtype, num_steps, element_shape=x.shape) for x in tf.nest.flatten(info)
    ]

    def body(k, state, records):
        state, info = concrete(state, *nth(k))
        return (
            k + 1,
            state,
            [r.write(k, x) for r, x in zip(records, tf.nest.flatten(info), strict=True)],
        )

    _, state, records = tf.while_loop(
        lambda k, *_: k < num_steps, body, (0, state, records), maximum_iterations=num_steps
    )
    return state, tf.nest.pack_sequence_as(info, [r.stack() for r in records])
