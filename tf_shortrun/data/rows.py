"""Rows of an array by their places, in a pipeline of tf.data."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf


def of(array: np.ndarray) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function from places [B] to these rows of the array.

    The rows of a memory map are read from its file; any other array is copied once.
    """
    if isinstance(array, np.memmap):
        return lambda index: _read(array, index)
    # Placed on the host once; the pipeline captures the constant and does not copy it.
    with tf.device("CPU:0"):
        constant = tf.constant(array)
    return lambda index: tf.gather(constant, index)


def _read(array: np.memmap, index: tf.Tensor) -> tf.Tensor:
    kind = tf.as_dtype(array.dtype)
    found = tf.numpy_function(lambda places: np.asarray(array[places]), [index], kind)
    return tf.ensure_shape(found, [*index.shape, *array.shape[1:]])
