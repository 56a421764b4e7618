"""Convolutions with a custom gradient, compared with TensorFlow and with values by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.networks.convolution import (
    Convolution,
    TransposedConvolution,
    convolve,
    mirrored,
)

SEEDS = noise.split(noise.make_seed(3), 4)
SIZES = [(3, 6, 5, 7, 4, 5), (2, 4, 4, 8, 8, 3), (2, 2, 2, 3, 2, 5)]  # B, H, W, M, N, k


def derivatives(function, maps, kernel, dy):
    """Returns the value, its gradients in maps and kernel, and second derivatives.

    Second derivatives are gradients of the summed squares of both gradients, in all inputs.
    """
    with tf.GradientTape() as outer:
        outer.watch([maps, kernel, dy])
        with tf.GradientTape() as inner:
            inner.watch([maps, kernel])
            y = function(maps, kernel)
        in_maps, in_kernel = inner.gradient(y, [maps, kernel], dy)
        squares = tf.reduce_sum(in_maps**2) + tf.reduce_sum(in_kernel**2)
    return [y, in_maps, in_kernel, *outer.gradient(squares, [maps, kernel, dy])]


def library(maps, kernel):
    return tf.nn.conv2d(maps, kernel, 1, "SAME")


@pytest.mark.parametrize("size", SIZES)
def test_values_and_first_and_second_derivatives_equal_those_of_tensorflow(size):
    b, h, w, m, n, k = size
    maps, kernel = noise.normal(SEEDS[0], [b, h, w, m]), noise.normal(SEEDS[1], [k, k, m, n])
    dy = noise.normal(SEEDS[2], [b, h, w, n])
    for ours, theirs in zip(
        derivatives(convolve, maps, kernel, dy),
        derivatives(library, maps, kernel, dy),
        strict=True,
    ):
        # Terms are summed in another order: rounding grows with the number of terms, twice nested.
        atol = 2**-23 * k**2 * max(m, n) * b * h * w * float(tf.reduce_max(tf.abs(theirs)))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=max(atol, 1e-5))
        assert float(tf.reduce_max(tf.abs(theirs))) > 1  # so that the tolerance is meaningful


def test_the_gradient_of_one_output_pixel_is_the_kernel():
    """y[1, 1] of a 3 x 3 map depends on every pixel, each with its own entry of the kernel."""
    kernel = tf.reshape(tf.range(9.0), [3, 3, 1, 1])
    maps, dy = tf.zeros([1, 3, 3, 1]), tf.reshape(tf.one_hot(4, 9), [1, 3, 3, 1])
    with tf.GradientTape() as tape:
        tape.watch(maps)
        y = convolve(maps, kernel)
    np.testing.assert_array_equal(tape.gradient(y, maps, dy)[0, ..., 0], kernel[..., 0, 0])
    np.testing.assert_array_equal(mirrored(kernel)[..., 0, 0], 8 - kernel[..., 0, 0])


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (Convolution(4, 3), keras.layers.Conv2D(4, 3, padding="same")),
        (
            TransposedConvolution(4, 5),
            keras.layers.Conv2DTranspose(4, 5, padding="same", use_bias=False),
        ),
    ],
)
def test_layers_equal_those_of_keras_with_the_same_weights(ours, theirs):
    maps = noise.normal(SEEDS[3], [2, 6, 6, 3])
    ours(maps), theirs(maps)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(maps), theirs(maps), rtol=0, atol=2**-23 * 75 * 10)
