"""Pillow's bilinear resize of a box, as part of a graph: the same integers.

Pillow resizes along rows and then along columns, each by weights of 22 bits after the point, and
rounds in between. Columns come first where that drops many more pixels. One direction is

    y_j = floor(sum_i w_ij x_i + 1/2),   w_ij ~ max(0, 1 - |i + 1/2 - c_j| / s),   sum_i w_ij = 1

    c_j = left + (j + 1/2) (right - left) / num,   s = max(1, (right - left) / num)

Sums of such integers are exact in float64. TensorFlow's own antialiased resize does not round in
between, and takes no box of real numbers.
"""

from collections.abc import Callable

import tensorflow as tf

_PRECISION = 2.0**22

Box = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]


def resize(
    image: tf.Tensor, box: Box, height: int, width: int, channels: int, of_row: Callable
) -> tf.Tensor:
    """Returns the contents of a box (left, top, right, bottom), float64 [height, width, C].

    Args:
      image: uint8 [H, W, any].
      of_row: what becomes of a row before: uint8 [W, any] -> float64 [W, C], of integers. It sees
        one row at a time, so that a large picture needs little memory.
    """
    left, top, right, bottom = box
    size = tf.shape(image)[:2]
    dropped = size - [height, width]
    columns_first = (dropped[0] > 0) & (dropped[0] > 2 * dropped[1])  # found by trying, Pillow 13
    across = _weights(size[1], left, right, width)
    down = _weights(size[0], top, bottom, height)
    return tf.cond(
        columns_first,
        lambda: _transposed(_passes(_transposed(image), down, across, of_row, channels)),
        lambda: _passes(image, across, down, of_row, channels),
    )


def _passes(image: tf.Tensor, along_row, along_column, of_row: Callable, channels: int):
    """Returns the picture after a pass along its rows and one along its columns: [h, w, C]."""
    width, height = along_row.shape[1], along_column.shape[1]
    rows = tf.map_fn(
        lambda row: tf.cast(_rounded(tf.matmul(of_row(row), along_row, True)), tf.uint8),
        image,
        fn_output_signature=tf.TensorSpec([channels, width], tf.uint8),
    )
    columns = tf.reshape(tf.cast(rows, tf.float64), [-1, channels * width])
    resized = _rounded(tf.matmul(along_column, columns, True))
    return tf.transpose(tf.reshape(resized, [height, channels, width]), [0, 2, 1])


def _transposed(image: tf.Tensor) -> tf.Tensor:
    return tf.transpose(image, [1, 0, 2])


def _weights(size: tf.Tensor, begin: tf.Tensor, end: tf.Tensor, num: int) -> tf.Tensor:
    """Returns w_ij 2^22 of all pixels i of a row and all new pixels j: float64 [size, num]."""
    begin, end = tf.cast(begin, tf.float32), tf.cast(end, tf.float32)  # as Pillow keeps a box
    step = tf.cast(end - begin, tf.float64) / num
    reach = tf.maximum(step, 1.0)
    center = tf.cast(begin, tf.float64) + (tf.range(num, dtype=tf.float64) + 0.5) * step
    x = tf.cast(tf.range(size), tf.float64)[:, None]
    inside = (x >= tf.floor(center - reach + 0.5)) & (x < tf.floor(center + reach + 0.5))
    near = tf.maximum(1.0 - tf.abs((x - center + 0.5) * (1.0 / reach)), 0.0)
    near = tf.where(inside, near, 0.0)
    return tf.floor(near / tf.reduce_sum(near, axis=0) * _PRECISION + 0.5)


def _rounded(sums: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(tf.floor((sums + _PRECISION / 2) / _PRECISION), 0.0, 255.0)
