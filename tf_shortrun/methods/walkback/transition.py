"""Transition operators p_T(s' | s): the next state of a walk, given a state and a temperature.

    Gaussian   s' ~ N(alpha s + (1 - alpha) F(s), T sigma(s)^2)
    Bernoulli  s' ~ sigmoid((alpha b + (1 - alpha) F(s)) / T),   b in {0, 1}

alpha multiplies the state in every operator. (The released code exchanges alpha and 1 - alpha in
its Bernoulli operator, which is the same at 1/2.) The inputs of the network are the state and
log T, which it may ignore. Examples do not mix: there are no batch statistics.

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
from tf_shortrun.networks.signs import Signs

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
        return normal.loc + normal.scale * noise.normal(seed, _shape(normal.loc))


class GaussianTransition(NormalOperator):
    """The operator s' ~ N(alpha s + (1 - alpha) F(s), T diag sigma(s)^2).

        sigma(s) = min_sigma + sigma softplus(r(s)) / log 2,   F and r outputs of one network

    Args:
      make_network: makes the network of the outputs F and r.
      sigma: standard deviation at T = 1 where r = 0, on the scale of [-1, 1].
      min_sigma: lower bound of sigma(s). Without it the objective shrinks every step until the
        walk stays at the data.
      alpha: weight of the state in the mean.
      learn_sigma: False for sigma(s) = sigma everywhere; the network then has one output.
      residual: whether the network outputs F(s) - s, so that it need not copy the state.
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
    ):
        super().__init__(state_shape)
        check(alpha, sigma, min_sigma)
        self.alpha, self.sigma, self.min_sigma = alpha, sigma, min_sigma
        self.residual = residual
        self.num_outputs = 2 if learn_sigma else 1
        self.network = _build(make_network, self.state_shape, self.num_outputs)

    def transition(self, state: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        outputs = self.network([state, tf.math.log(temperature)])
        target, *raw = tf.split(outputs, self.num_outputs, axis=-1)
        target = state + target if self.residual else target
        sigma = _positive(raw[0], self.sigma, self.min_sigma) if raw else self.sigma
        std = tf.sqrt(self.aligned(temperature)) * sigma
        return self.distribution(self.alpha * state + (1.0 - self.alpha) * target, std)


class SignOperator(TransitionOperator, abc.ABC):
    """An abstract operator on binary states in {-1, 1}, with independent components."""

    def distribution(self, logits: tf.Tensor) -> tfd.Distribution:
        return tfd.Independent(Signs(logits), len(self.state_shape))

    def at_rest(self, mean: tf.Tensor, variance: tf.Tensor) -> tfd.Distribution:
        del variance
        # No probability is 0 or 1: a pixel that was always black so far may be white next time.
        share = tf.clip_by_value(0.5 * (mean + 1.0), 1e-3, 1.0 - 1e-3)
        return self.distribution(tf.math.log(share) - tf.math.log1p(-share))

    def draw(self, distribution: tfd.Distribution, seed: Seed) -> tf.Tensor:
        logits = distribution.distribution.logits
        rows, *rest = _shape(logits)
        uniform = tf.reshape(noise.uniform(seed, [rows, math.prod(rest)]), [rows, *rest])
        return tf.where(uniform < tf.sigmoid(logits), 1.0, -1.0)


class BernoulliTransition(SignOperator):
    """The operator P(s' = 1) = sigmoid((alpha b + (1 - alpha) F(s)) / T), b = (s + 1) / 2.

    Args:
      make_network: makes the network of the output F.
      alpha: weight of the state in the logits.
      max_logit: c, for logits (alpha c s + (1 - alpha) c tanh(F / c)) / T in place of the
        published ones. The weight of the state is then alpha, and the network cannot undo the
        heating by large outputs.
    """

    def __init__(
        self,
        state_shape: Sequence[int],
        make_network: MakeNetwork,
        alpha: float = 0.5,
        max_logit: float | None = None,
    ):
        super().__init__(state_shape)
        check(alpha)
        if max_logit is not None:
            check_logit(max_logit)
        self.alpha, self.max_logit = alpha, max_logit
        self.network = _build(make_network, self.state_shape, 1)

    def transition(self, state: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        own, target = 0.5 * (state + 1.0), self.network([state, tf.math.log(temperature)])
        if self.max_logit is not None:
            own = self.max_logit * state
            target = self.max_logit * tf.tanh(target / self.max_logit)
        logits = self.alpha * own + (1.0 - self.alpha) * target
        return self.distribution(logits / self.aligned(temperature))


def check(alpha: float, sigma: float = 1.0, min_sigma: float = 0.0):
    if not 0 <= alpha <= 1:
        raise InputError(f"alpha is {alpha}: choose a weight from 0 to 1")
    if not (sigma > 0 and min_sigma >= 0):
        raise InputError(
            f"sigma is {sigma}, min_sigma {min_sigma}: choose sigma above 0 and min_sigma from 0 on"
        )


def check_logit(max_logit: float):
    if not max_logit > 0:
        raise InputError(f"max_logit is {max_logit}: choose a positive number")


def _build(make_network: MakeNetwork, state_shape: tuple, num_outputs: int) -> keras.Model:
    network = make_network(state_shape, num_outputs)
    network([tf.zeros([1, *state_shape]), tf.zeros([1])])
    return network


def _positive(raw: tf.Tensor, sigma: float, min_sigma: float) -> tf.Tensor:
    return min_sigma + sigma * tf.nn.softplus(raw) / math.log(2.0)


def _shape(x: tf.Tensor) -> list:
    return [tf.shape(x)[0], *x.shape[1:]]
