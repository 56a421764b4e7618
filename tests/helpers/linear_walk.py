"""A transition operator with known exact values: s' ~ N(a s, T v), where a is learned."""

import math

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.kernels.walk import Heating
from tf_shortrun.methods.walkback.transition import NormalOperator
from tf_shortrun.methods.walkback.walkback import Walkback

AT_ONE = Heating(max_temperature=2.0, max_still=0)  # one step, at T = 1


class Linear(NormalOperator):
    def __init__(self, a: float, variance: float, state_shape=(1,)):
        super().__init__(state_shape)
        self.a = self.add_weight(shape=(), initializer=keras.initializers.Constant(a))
        self.variance = variance

    def transition(self, state, temperature):
        return self.distribution(self.a * state, tf.sqrt(self.variance * self.aligned(temperature)))


def learner(a: float, variance: float, schedule=AT_ONE, state_shape=(1,), rate=1.0, **kwargs):
    """Returns a Walkback learner that uses plain gradient descent with this rate."""
    optimizer, kwargs = keras.optimizers.SGD(rate), {"num_still": 0, **kwargs}
    return Walkback(Linear(a, variance, state_shape), schedule, optimizer, **kwargs)


def normal_batch(num: int, variance: float = 1.0, state_shape=(1,)) -> dict:
    x = noise.normal(noise.make_seed(3), [num, *state_shape])
    return {"image": math.sqrt(variance) * x}


def log_normal(x, variance):
    return -0.5 * (np.log(2 * np.pi * variance) + np.square(x) / variance)


def has_mean(values, expected) -> bool:
    """Returns whether the mean of the draws is as expected, within four standard errors."""
    values = np.asarray(values, np.float64)
    return abs(values.mean() - expected) < 4 * values.std() / math.sqrt(len(values))


def has_variance(values, expected) -> bool:
    """Returns whether the variance of normal numbers of mean 0 is as expected, as `has_mean`."""
    return has_mean(np.square(np.ravel(values)), expected)
