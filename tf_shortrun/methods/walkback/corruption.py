"""Corruption operators without parameters: noise for real states, flips for binary states."""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.methods.walkback.bernoulli import SignOperator, check_logit
from tf_shortrun.methods.walkback.transition import NormalOperator, check


class NoiseTransition(NormalOperator):
    """The operator s' ~ N(s, T sigma^2 I), without parameters."""

    def __init__(self, state_shape: Sequence[int], sigma: float):
        super().__init__(state_shape)
        check(1.0, sigma)
        self.sigma = sigma

    def transition(self, state: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        return self.distribution(state, self.sigma * tf.sqrt(self.aligned(temperature)))


class FlipTransition(SignOperator):
    """The operator s' = s with probability sigmoid(c / T), else -s, without parameters."""

    def __init__(self, state_shape: Sequence[int], max_logit: float):
        super().__init__(state_shape)
        check_logit(max_logit)
        self.max_logit = max_logit

    def transition(self, state: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        return self.distribution(self.max_logit * state / self.aligned(temperature))
