"""Paths through the space of latents: nests [B, d_l], one tensor for each layer.

References: T. White, Sampling generative networks, 2016 (spherical interpolation).
"""

import math
from collections.abc import Sequence

import tensorflow as tf

from tf_shortrun.core.shapes import Latents


def great_circle(start: Latents, end: Latents, num: int) -> Latents:
    """Returns great-circle steps between two nests [B, d_l]: [B * num, d_l], example by example."""
    return on_great_circle(start, end, tf.linspace(0.0, 1.0, num)[None])


def on_great_circle(start: Latents, end: Latents, t: tf.Tensor) -> Latents:
    """Returns points of great circles between two nests [B, d_l]: [B * T, d_l], by example.

    z(t) = (sin((1 - t) w) z_0 + sin(t w) z_1) / sin w,   cos w = z_0 . z_1 / |z_0| |z_1|

    Args:
      t: [B, T], or [1, T] for all examples; 0 is the start, 1 the end.
    """
    widths = [z.shape[-1] for z in start]
    a, b = tf.concat(start, -1), tf.concat(end, -1)
    norms = tf.norm(a, axis=-1) * tf.norm(b, axis=-1)
    cosine = tf.math.divide_no_nan(tf.reduce_sum(a * b, -1), norms)
    # Slightly inside the ends, where the formula is 0 / 0 and its limit is the straight line.
    angle = tf.acos(tf.clip_by_value(cosine, -1.0 + 1e-6, 1.0 - 1e-6))[:, None, None]
    t = t[..., None]
    path = tf.sin((1.0 - t) * angle) * a[:, None] + tf.sin(t * angle) * b[:, None]
    return tf.split(tf.reshape(path / tf.sin(angle), [-1, sum(widths)]), widths, axis=-1)


def straight(start: Latents, end: Latents, num: int) -> Latents:
    """Returns equal steps on the line between two nests: [B * num, d_l], example by example."""
    t = tf.linspace(0.0, 1.0, num)[None, :, None]
    lines = [(1.0 - t) * a[:, None] + t * b[:, None] for a, b in zip(start, end, strict=True)]
    return [tf.reshape(line, [-1, line.shape[-1]]) for line in lines]


def along_coordinate(latents: Latents, layer: int, place: int, reach: float, num: int) -> Latents:
    """Returns one example [1, d_l] with one coordinate from -reach to reach: [num, d_l]."""
    moved = [tf.repeat(z, num, axis=0) for z in latents]
    is_place = tf.range(moved[layer].shape[-1]) == place
    moved[layer] = tf.where(is_place, tf.linspace(-reach, reach, num)[:, None], moved[layer])
    return moved


def around(latents: Latents, other: Latents, layer: int, num: int) -> Latents:
    """Returns one example [1, d_l], one layer of which goes around a circle: [num, d_l].

        z(w) = z cos w + z' sin w,   w = 0, ..., 2 pi (1 - 1 / num)

    If z and z' are two draws of the prior N(0, I), each z(w) is a draw of it.

    Args:
      other: another example, of which only this layer is used.
    """
    angles = tf.range(num, dtype=tf.float32)[:, None] * (2.0 * math.pi / num)
    moved = [tf.repeat(z, num, axis=0) for z in latents]
    moved[layer] = latents[layer] * tf.cos(angles) + other[layer] * tf.sin(angles)
    return moved


def hold(latents: Latents, layers: Sequence[int]) -> Latents:
    """Returns the nest with these layers as in its first example."""
    return [
        tf.repeat(z[:1], tf.shape(z)[0], axis=0) if layer in layers else z
        for layer, z in enumerate(latents)
    ]
