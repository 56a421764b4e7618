"""Energies and generators with known values."""

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.methods.energy.energy import Energy, Generator

W = np.array([0.5, -1.0], np.float32)


class Quadratic(keras.layers.Layer):
    """A layer that computes x^T A x / 2 of flat observations, A symmetric."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = tf.constant(matrix, tf.float32)

    def build(self, shape):
        self.scale = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        x = tf.reshape(x, [tf.shape(x)[0], -1])
        return self.scale * 0.5 * tf.einsum("bi,ij,bj->b", x, self.matrix, x)[:, None]


class Bowl(keras.layers.Layer):
    """The energy a ||x||^2 / 2 with a positive a."""

    def build(self, shape):
        self.log_a = self.add_weight(shape=(), initializer="zeros")

    def call(self, x):
        return tf.exp(self.log_a) * tf.reduce_sum(x**2, axis=-1, keepdims=True) / 2


def affine(outputs, kernel, bias=None):
    """Returns a network x -> kernel^T x + bias of flat observations."""
    dense = keras.layers.Dense(outputs, use_bias=bias is not None)
    dense.build((None, len(kernel)))
    dense.set_weights([np.float32(w) for w in (kernel, bias) if w is not None])
    return keras.Sequential([keras.layers.Flatten(), dense])


def linear_energy(w=W, shape=(2,)):
    return Energy(affine(1, np.reshape(w, [-1, 1])), shape)


def point_generator(point, shape=(2,)):
    """Returns a generator G(z) = point, where only the point is learned."""
    network = affine(len(point), np.zeros([2, len(point)]), point)
    blind, shaped = keras.layers.Rescaling(0.0), keras.layers.Reshape(shape)
    return Generator(keras.Sequential([blind, network, shaped]), 2)


def linear_generator(matrix):
    return Generator(affine(len(matrix), np.transpose(matrix)), len(matrix[0]))


def sgd(rate):
    return keras.optimizers.SGD(rate)


def values(model):
    return [v.numpy().copy() for v in model.trainable_variables]
