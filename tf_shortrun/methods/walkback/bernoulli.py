"""Transition operators of binary states in {-1, 1}.

    s' ~ sigmoid((alpha b + (1 - alpha) F(s)) / T),   b = (s + 1) / 2

alpha multiplies the state. (The released code exchanges alpha and 1 - alpha, which is the same at
1/2.)

References: A. Goyal, N. R. Ke, S. Ganguli, Y. Bengio, Variational walkback: learning a
transition operator as a stochastic recurrent net, NIPS 2017.
"""

import abc
import math
from collections.abc import Sequence

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed
from tf_shortrun.methods.walkback.transition import (
    MakeNetwork,
    TransitionOperator,
    build,
    check,
    shape_of,
)
from tf_shortrun.networks.signs import Signs


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
        rows, *rest = shape_of(logits)
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
      free: whether F(s) itself, without state, bound and temperature, is the logit. The network
        can then be as certain as the step allows; heat with `BoundedFlips`. Published: False.
    """

    def __init__(
        self,
        state_shape: Sequence[int],
        make_network: MakeNetwork,
        alpha: float = 0.5,
        max_logit: float | None = None,
        free: bool = False,
    ):
        super().__init__(state_shape)
        check(alpha)
        if max_logit is not None:
            check_logit(max_logit)
        self.alpha, self.max_logit, self.free = alpha, max_logit, free
        self.network = build(make_network, self.state_shape, 1)

    def transition(self, state: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        if self.free:
            return self.distribution(self._output(state, temperature))
        return self.distribution(self.mixed(state, temperature))

    def mixed(self, state: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        """Returns the logits [B, ...] that mix the state and F, divided by T."""
        own, target = 0.5 * (state + 1.0), self._output(state, temperature)
        if self.max_logit is not None:
            own = self.max_logit * state
            target = self.max_logit * tf.tanh(target / self.max_logit)
        logits = self.alpha * own + (1.0 - self.alpha) * target
        return logits / self.aligned(temperature)

    def _output(self, state: tf.Tensor, temperature: tf.Tensor) -> tf.Tensor:
        return self.network([state, tf.math.log(temperature)])


def check_logit(max_logit: float):
    if not max_logit > 0:
        raise InputError(f"max_logit is {max_logit}: choose a positive number")
