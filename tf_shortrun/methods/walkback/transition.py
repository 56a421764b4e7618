"""Transition operators p_T(s' | s): the next state of a walk, given a state and a temperature.

    Gaussian   s' ~ N(alpha s + (1 - alpha) F(s), T sigma(s)^2)
    Bernoulli  see `bernoulli.py`

alpha multiplies the state in every operator. The inputs of the network are the state and log T,
which it may ignore. Examples do not mix: there are no batch statistics.

Symbols: B states, T their temperatures [B], D components of one state.

References: A. Goyal, N. R. Ke, S. Ganguli, Y. Bengio, Variational walkback: learning a
transition operator as a stochastic recurrent net, NIPS 2017.
"""

import abc
import math
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed

# `make_network(state_shape, num_outputs)`: a Keras network from [s, log T] to one output of
# shape [B, *state_shape[:-1], num_outputs * state_shape[-1]].
MakeNetwork = Callable[[Sequence[int], int], keras.Model]


class TransitionOperator(keras.Model, abc.ABC):
    """An abstract operator: the distribution of the next state and that of the end of a long walk.

    Args:
      state_shape: shape of one state: (D,) or (H, W, C).
    """

    def __init__(self, state_shape: Sequence[int]):
        super().__init__()
        self.state_shape = tuple(state_shape)

    @abc.abstractmethod
    def transition(self, state: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        """Returns p_T(. | s): batch shape [B], event shape that of a state. All T > 0."""

    @abc.abstractmethod
    def at_rest(self, mean: tf.Tensor, variance: tf.Tensor) -> tfd.Distribution:
        """Returns p*, the end of walks: independent, with moments [*state_shape]."""

    @abc.abstractmethod
    def draw(self, distribution: tfd.Distribution, seed: Seed) -> tf.Tensor:
        """Draws one state from each distribution of a batch [B], of `transition` or `at_rest`."""

    def aligned(self, temperature: tf.Tensor) -> tf.Tensor:
        """Returns [B] reshaped to [B, 1, ...], to broadcast over states."""
        return tf.reshape(temperature, [-1] + [1] * len(self.state_shape))


class NormalOperator(TransitionOperator, abc.ABC):
    """An abstract operator on real states: Gaussian, independent components."""

    def distribution(self, mean: tf.Tensor, std: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(tfd.Normal(mean, std), len(self.state_shape))

    def at_rest(self, mean: tf.Tensor, variance: tf.Tensor) -> tfd.Distribution:
        return self.distribution(mean, tf.sqrt(variance))

    def draw(self, distribution: tfd.Distribution, seed: Seed) -> tf.Tensor:
        normal = distribution.distribution
        return normal.loc + normal.scale * noise.normal(seed, shape_of(normal.loc))


class GaussianTransition(NormalOperator):
    """The operator s' ~ N(alpha s + (1 - alpha) F(s), T diag sigma(s)^2).

        sigma(s) = min_sigma + sigma softplus(r(s)) / log 2
        alpha(s) = sigmoid(g(s) + log(alpha / (1 - alpha))),   F, r and g outputs of one network

    Args:
      make_network: makes the network of the outputs F, r and g.
      sigma: standard deviation at T = 1 where r = 0, on the scale of [-1, 1].
      min_sigma: lower bound of sigma(s). Without it the objective shrinks every step until the
        walk stays at the data.
      alpha: weight of the state in the mean; where g = 0, if it is learned.
      learn_sigma: False for sigma(s) = sigma everywhere; the network then has no output r.
      residual: whether the network outputs F(s) - s, so that it need not copy the state.
      learn_alpha: whether each component has its own weight alpha(s): 0 where the network knows
        the value, e.g. of a black pixel, and 1 where only the state does. Published: False.
    """

    def __init__(
        self,
        state_shape: Sequence[int],
        make_network: MakeNetwork,
        sigma: float,
        min_sigma: float = 0.0,
        alpha: float = 0.5,
        learn_sigma: bool = True,
        residual: bool = False,
        learn_alpha: bool = False,
    ):
        super().__init__(state_shape)
        check(alpha, sigma, min_sigma)
        if learn_alpha and alpha in (0, 1):
            raise InputError(f"alpha is {alpha}: a learned weight starts between 0 and 1")
        self.alpha, self.sigma, self.min_sigma = alpha, sigma, min_sigma
        self.residual, self.learn_sigma, self.learn_alpha = residual, learn_sigma, learn_alpha
        self.num_outputs = 1 + learn_sigma + learn_alpha
        self.network = build(make_network, self.state_shape, self.num_outputs)

    def transition(self, state: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        target, *more = tf.split(
            self.network([state, tf.math.log(temperature)]), self.num_outputs, axis=-1
        )
        target = state + target if self.residual else target
        alpha = self._weight(more.pop()) if self.learn_alpha else self.alpha
        sigma = self._width(more.pop()) if self.learn_sigma else self.sigma
        std = tf.sqrt(self.aligned(temperature)) * sigma
        return self.distribution(alpha * state + (1.0 - alpha) * target, std)

    def _width(self, raw: tf.Tensor) -> tf.Tensor:
        return self.min_sigma + self.sigma * tf.nn.softplus(raw) / math.log(2.0)

    def _weight(self, raw: tf.Tensor) -> tf.Tensor:
        return tf.sigmoid(raw + math.log(self.alpha / (1.0 - self.alpha)))


def check(alpha: float, sigma: float = 1.0, min_sigma: float = 0.0):
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha}: choose a weight from 0 to 1")
    if not (sigma > 0 and min_sigma >= 0):
        raise InputError(
            f"sigma is {sigma}, min_sigma {min_sigma}: choose sigma above 0 and min_sigma from 0 on"
        )


def build(make_network: MakeNetwork, state_shape: tuple, num_outputs: int) -> keras.Model:
    network = make_network(state_shape, num_outputs)
    network([tf.zeros([1, *state_shape]), tf.zeros([1])])
    return network


def shape_of(x: tf.Tensor) -> list:
    return [tf.shape(x)[0], *x.shape[1:]]
