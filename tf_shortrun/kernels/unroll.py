"""The only loop over steps: K of any kernel."""

from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.shapes import Seed


def unroll(step: Callable, state, controls, seed: Seed):
    """state_{k+1}, info_k = step(state_k, controls[k], seed_k),  k = 0 .. K-1.

    The controls are the schedule: step sizes, temperatures or inverse temperatures,
    one entry per step. `step` is traced once, whatever K is; memory does not grow with
    K but for the infos, unless a gradient through the chain is asked for.

    Args:
      step: `(state, control, seed) -> (state, info)`, pure; nests of tensors.
      state: the start.
      controls: nest of tensors with leading axis K.
      seed: step k gets the seed folded with k.

    Returns:
      The last state, and the infos stacked along a new first axis [K, ...].
    """
    controls = tf.nest.map_structure(tf.convert_to_tensor, controls)
    num_steps = tf.shape(tf.nest.flatten(controls)[0])[0]

    def nth(k):
        return tf.nest.map_structure(lambda c: c[k], controls), noise.fold(seed, k)

    # A concrete function, so that its outputs tell what the infos look like.
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
