"""Arrays of observations from a user, as floats on [-1, 1]."""

import numpy as np
import tensorflow as tf

from tf_shortrun.core.errors import InputError


def observations(x, shape: tuple[int, ...]) -> tf.Tensor:
    """Converts observations from the user to float32 [N, *shape] on [-1, 1].

    Raises:
      InputError: if the shape or the scale is wrong, or there are no observations.
    """
    if tf.is_tensor(x) and not tf.executing_eagerly():
        return tf.cast(to_float(x), tf.float32)  # the values are not known yet
    x = np.asarray(x)
    wanted = ", ".join(map(str, ("N", *shape)))
    if x.shape == shape:
        raise InputError(f"one observation has no batch axis: give [{wanted}], x[None] for one x")
    if x.shape[1:] != shape or not len(x):
        raise InputError(f"observations have the shape {x.shape}: give [{wanted}]")
    if x.dtype != np.uint8 and not np.all(np.abs(x) < 1.5):
        raise InputError(
            "observations have NaN or are not on [-1, 1]: scale bytes by x / 127.5 - 1, rows of a "
            "table by run.preparation(rows)"
        )
    return tf.cast(to_float(x), tf.float32)


def to_float(images) -> tf.Tensor:
    """Converts uint8 0..255 to float32 [-1, 1]; floats pass unchanged."""
    images = tf.convert_to_tensor(images)
    if images.dtype == tf.uint8:
        return tf.cast(images, tf.float32) / 127.5 - 1.0
    return images
