"""Operators of the heating walk that share the network of a model, but not its certainty.

    FixedWidth    s' ~ N(m(s), T sigma^2 I)
    BoundedFlips  s' ~ sigmoid((alpha c s + (1 - alpha) c tanh(F(s) / c)) / T)

with m(s) the mean and sigma the initial width of a Gaussian model, or F(s) the output of the
network of a binary model, alpha and c its settings.

The model learns how certain its step is: a width, or logits without a bound. As published, the
heating walk takes the same steps, so what the model learns also cools this walk, which then does
not arrive at p*. Here the model can be as certain as its step allows, and the walk away from the
data still heats up.

References: A. Goyal, N. R. Ke, S. Ganguli, Y. Bengio, Variational walkback, NIPS 2017.
"""

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.walkback.bernoulli import BernoulliTransition, SignOperator
from tf_shortrun.methods.walkback.transition import GaussianTransition, NormalOperator


class FixedWidth(NormalOperator):
    """An operator with the mean of a Gaussian model, and a width that is not learned."""

    def __init__(self, model: GaussianTransition):
        super().__init__(model.state_shape)
        self.model = model

    def transition(self, state: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        mean = self.model.transition(state, temperature).mean()
        return self.distribution(mean, self.model.sigma * tf.sqrt(self.aligned(temperature)))


class BoundedFlips(SignOperator):
    """An operator with the bounded logits of a binary model that has free ones."""

    def __init__(self, model: BernoulliTransition):
        super().__init__(model.state_shape)
        if model.max_logit is None:
            raise InputError("max_logit is None: a heating walk of bounded flips needs the bound")
        self.model = model

    def transition(self, state: tf.Tensor, temperature: tf.Tensor) -> tfd.Distribution:
        return self.distribution(self.model.mixed(state, temperature))
