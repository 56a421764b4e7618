"""Arithmetic on nests of latents; each function treats all layers."""

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.shapes import Latents, Seed


def normal_like(latents: Latents, seed: Seed) -> Latents:
    """Draws standard normal noise of the shapes of `latents`, with a separate seed per layer."""
    return [noise.normal(noise.fold(seed, l), _shape(x)) for l, x in enumerate(latents)]


def squared_norm(latents: Latents) -> tf.Tensor:
    """Returns sum_l ||z_l||^2 for each example: [B]."""
    return tf.add_n([tf.reduce_sum(x**2, axis=-1) for x in latents])


def stop_gradient(latents: Latents) -> Latents:
    """Returns the same values; gradient tapes treat them as constants."""
    return tf.nest.map_structure(tf.stop_gradient, latents)


def _shape(x: tf.Tensor) -> list:
    return [tf.shape(x)[0], *x.shape[1:]]
