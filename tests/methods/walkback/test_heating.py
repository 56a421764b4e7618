"""Tests of heating walks that share the network of a model, but not its certainty."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from linear_walk import AT_ONE, has_mean, has_variance, log_normal
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.walkback.bernoulli import BernoulliTransition
from tf_shortrun.methods.walkback.corruption import NoiseTransition
from tf_shortrun.methods.walkback.heating import BoundedFlips, FixedWidth
from tf_shortrun.methods.walkback.trajectory import Walker
from tf_shortrun.methods.walkback.transition import GaussianTransition
from tf_shortrun.methods.walkback.walkback import Walkback

SEED = noise.make_seed(0)


def constant(*values):
    """Returns a `make_network` with constant outputs."""
    return lambda shape, num: lambda inputs: 0.0 * inputs[0] + tf.constant([values], tf.float32)


def doubling(num):
    return tf.constant([1.0, 2.0, 4.0])[:, None] * tf.ones([num])


def narrow(sigma):
    """Returns an operator with the mean s, whose learned width is nearly 0."""
    return GaussianTransition((1,), constant(0.0, -9.0), sigma, residual=True)


def test_a_narrow_model_does_not_cool_its_heating_walk():
    """s_3 has variance sigma^2 (1 + 2 + 4), with the width of the walk and not of the model."""
    num, model = 20_000, narrow(0.5)
    tied, heated = Walker(model), Walker(model, FixedWidth(model))
    ends = [w.away(tf.zeros([num, 1]), doubling(num), SEED)[-1] for w in (tied, heated)]
    assert has_variance(ends[1], 7 * 0.25) and not has_variance(ends[1], 1.05 * 7 * 0.25)
    assert np.abs(ends[0]).max() < 0.01


def forgetful(ratio):
    """Returns a walker whose model has the mean 0 and the width `ratio` sqrt(T), heated by 1."""
    raw = np.log(np.expm1(np.log(2.0) * ratio)).astype(np.float32)
    model = GaussianTransition((1,), constant(0.0, raw), sigma=1.0, alpha=0.0)
    walker = Walker(model, FixedWidth(model))
    walker.moments.state["square"].assign([4.0])
    return walker


def test_a_learned_width_removes_the_loss_of_steps_that_forget():
    """s_t ~ N(0, 2^(t - 1)): the step back needs the width sqrt(T / 2); sqrt(T) costs a known sum.

    With r = 1 / 2 the loss is (r - 1 - log r) / 2 nats in each of the two steps between states
    of the walk, and the last step has the density of its own width.
    """
    num, x = 50_000, 0.3
    data = tf.fill([num, 1], x)
    exact = forgetful(np.sqrt(0.5)).log_weights(data, doubling(num), SEED)
    np.testing.assert_allclose(exact, log_normal(x, 0.5), atol=2e-5)
    wide = forgetful(1.0).log_weights(data, doubling(num), SEED)
    loss = 2 * 0.5 * (0.5 - 1 - np.log(0.5))
    assert has_mean(wide, log_normal(x, 1.0) - loss)
    assert not has_mean(wide, log_normal(x, 1.0) - 0.9 * loss)


@pytest.mark.parametrize(
    ("state", "output", "temperature", "logit"),
    [
        (-1.0, 0.0, 1.0, -3.3),
        (1.0, -1e4, 2.0, (3.3 - 2.7) / 2.0),
        (-1.0, 6.0, 1.0, 2.7 * np.tanh(1.0) - 3.3),
    ],
)
def test_bounded_flips_by_hand(state, output, temperature, logit):
    """With alpha = 0.55 and c = 6 the state adds +-3.3 and the network at most 2.7."""
    model = BernoulliTransition((1,), constant(output), 0.55, 6.0, free=True)
    one = tf.fill([1, 1], state), tf.fill([1], temperature)
    free, heated = (op.transition(*one).distribution.logits for op in (model, BoundedFlips(model)))
    np.testing.assert_allclose(heated, [[logit]], rtol=1e-5)
    np.testing.assert_allclose(free, [[output]], rtol=1e-5)


def test_flips_without_a_bound_are_refused():
    with pytest.raises(InputError, match="^max_logit is None: [^\n]*$"):
        BoundedFlips(BernoulliTransition((1,), constant(0.0), free=True))


def test_the_learner_heats_with_the_operator_that_heated_makes():
    def make(**kwargs):
        return Walkback(narrow(0.5), AT_ONE, keras.optimizers.SGD(0.1), 0, **kwargs)

    learner = make(heated=FixedWidth)
    batch = {"image": tf.zeros([20_000, 1])}
    assert has_variance(learner.heat(batch, SEED)[-1], 0.25)
    assert np.abs(make().heat(batch, SEED)).max() < 0.01
    assert learner.walker.destruction.model is learner.model
    with pytest.raises(InputError, match="^destruction and heated [^\n]*$"):
        make(heated=FixedWidth, destruction=NoiseTransition((1,), 1.0))
