"""Runs a network on one part of a batch after another, so that feature maps need little memory.

    y_i = f(x_i),   dL/dx_i = f'(x_i)^T dL/dy_i,   dL/dtheta = sum_i (df/dtheta)^T dL/dy_i

Between forward and backward pass only inputs and outputs are kept. The backward pass computes the
maps of each part again (checkpointing), which costs half more arithmetic. At any time, memory holds
the maps of one part, for any number of images; for more layers, make the parts smaller.

References: T. Chen, B. Xu, C. Zhang, C. Guestrin, Training deep nets with sublinear memory cost,
arXiv 1604.06174.
"""

import functools
from collections.abc import Callable, Sequence

import tensorflow as tf


def in_parts(
    fn: Callable[[Sequence[tf.Tensor]], tf.Tensor], inputs: Sequence[tf.Tensor], size: int
) -> tf.Tensor:
    """Returns `fn(inputs)`, computed for `size` examples at a time.

    Args:
      fn: maps tensors [B, ...] to one float32 tensor [B, ...]. The output of an example must not
        depend on other examples.
      inputs: tensors [B, ...] of any B. Zeros fill the last part, and their outputs are dropped.
    """
    known = inputs[0].shape[0]
    if known is not None and known <= size:
        return fn(inputs)
    num = tf.shape(inputs[0])[0]

    @tf.custom_gradient
    def run(*parts):
        y = tf.map_fn(fn, parts, parallel_iterations=1, fn_output_signature=tf.float32)
        return y, functools.partial(_pull_back, fn, parts)

    y = run(*[_split(x, size, -num % size) for x in inputs])
    return tf.reshape(y, [-1, *y.shape[2:]])[:num]


def _split(x: tf.Tensor, size: int, missing: tf.Tensor) -> tf.Tensor:
    """Reshapes [B, ...], padded with zeros, to [parts, size, ...]."""
    filled = tf.pad(x, [[0, missing], *[[0, 0]] * (x.shape.rank - 1)])
    return tf.reshape(filled, [-1, size, *x.shape[1:]])


def _pull_back(fn, parts, dy, variables=()):
    """Returns gradients in the inputs, for each part, and in the variables, summed over parts."""

    def derive(i, arrays, sums):
        x = [part[i] for part in parts]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = fn(x)
        zero = tf.UnconnectedGradients.ZERO
        dx, dv = tape.gradient(y, (x, list(variables)), dy[i], unconnected_gradients=zero)
        arrays = [a.write(i, d) for a, d in zip(arrays, dx, strict=True)]
        return i + 1, arrays, [s + d for s, d in zip(sums, dv, strict=True)]

    num = tf.shape(dy)[0]
    arrays = [tf.TensorArray(p.dtype, num, element_shape=p.shape[1:]) for p in parts]
    begin = (0, arrays, [tf.zeros_like(v) for v in variables])
    _, arrays, sums = tf.while_loop(lambda i, *_: i < num, derive, begin, parallel_iterations=1)
    dx = [array.stack() for array in arrays]
    return (dx, sums) if variables else dx
