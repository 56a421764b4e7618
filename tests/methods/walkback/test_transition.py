"""Tests of transition operators, of their distribution of signs, and of their networks."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from linear_walk import has_mean, has_variance
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.walkback.bernoulli import BernoulliTransition
from tf_shortrun.methods.walkback.corruption import FlipTransition, NoiseTransition
from tf_shortrun.methods.walkback.networks import convolutional, dense
from tf_shortrun.methods.walkback.transition import GaussianTransition
from tf_shortrun.networks.signs import Signs

SEED = noise.make_seed(0)
LOG_2_PI = np.log(2 * np.pi)
IMAGE = (8, 8, 3)
NETWORKS = {
    "dense": (dense([16, 8], "tanh", False), (5,)),
    "dense modulated": (dense([16, 8], "tanh", True), (5,)),
    "dense on images": (dense([16], "relu", True), IMAGE),
    "convolutional": (convolutional([8, 16], [32], "relu", False), IMAGE),
    "convolutional modulated": (convolutional([8, 16], [32], "relu", True), IMAGE),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def outputs(*values):
    """Returns a `make_network` with constant outputs, concatenated on the last axis."""

    def make_network(state_shape, num_outputs):
        assert num_outputs == len(values)
        value = tf.concat([tf.fill(state_shape, v) for v in values], axis=-1)
        return lambda inputs: tf.zeros_like(inputs[0][..., :1]) + value

    return make_network


def gaussian(name, learn_sigma=True):
    """Returns an operator with random weights, also for weights that are initially zero."""
    keras.utils.set_random_seed(0)
    make_network, shape = NETWORKS[name]
    operator = GaussianTransition(shape, make_network, 0.1, learn_sigma=learn_sigma)
    for k, weight in enumerate(operator.trainable_variables):
        numbers = noise.normal(noise.fold(SEED, k), [1, *weight.shape])[0]
        weight.assign_add(0.1 * numbers)
    return operator


def states(shape, num=3):
    return noise.normal(noise.make_seed(5), [num, *shape])


def moments(distribution):
    return distribution.mean().numpy(), distribution.variance().numpy()


# Operators


def test_gaussian_mean_is_the_weighted_sum_of_state_and_network():
    operator = GaussianTransition((2,), outputs(0.8, 0.0), sigma=0.3, alpha=0.75)
    distribution = operator.transition(tf.constant([[1.0, -1.0]]), tf.ones([1]))
    np.testing.assert_allclose(distribution.mean(), [[0.75 + 0.2, -0.75 + 0.2]], rtol=1e-6)
    np.testing.assert_allclose(distribution.stddev(), [[0.3, 0.3]], rtol=1e-6)


def test_gaussian_log_prob_is_the_sum_over_components_of_a_state():
    operator = GaussianTransition((2,), outputs(0.0, 0.0), sigma=1.0)
    distribution = operator.transition(tf.zeros([1, 2]), tf.constant([4.0]))
    expected = -0.5 * (2 * LOG_2_PI + 2 * np.log(4) + (1 + 9) / 4)
    np.testing.assert_allclose(distribution.log_prob([[1.0, 3.0]]), [expected], rtol=1e-6)


@pytest.mark.parametrize(
    "operator",
    [
        GaussianTransition((2,), outputs(0.5, -1.0), sigma=0.3),
        GaussianTransition((2,), outputs(0.5), sigma=0.3, learn_sigma=False),
        NoiseTransition((2,), 0.3),
    ],
)
def test_variance_is_proportional_to_temperature_and_the_mean_is_constant(operator):
    distribution = operator.transition(tf.ones([3, 2]), tf.constant([1.0, 2.0, 4.0]))
    mean, variance = moments(distribution)
    variance = np.broadcast_to(variance, [3, 2])
    np.testing.assert_allclose(variance[1:] / variance[:-1], 2.0, rtol=1e-5)
    np.testing.assert_allclose(mean, np.broadcast_to(mean[:1], [3, 2]))


def test_fixed_sigma_is_exact_and_has_one_output():
    operator = gaussian("dense modulated", learn_sigma=False)
    distribution = operator.transition(states((5,)), tf.constant([1.0, 4.0, 9.0]))
    std = np.broadcast_to(distribution.stddev(), [3, 5])
    np.testing.assert_allclose(std, np.outer([0.1, 0.2, 0.3], np.ones(5)), rtol=1e-6)
    assert operator.network([states((5,)), tf.zeros([3])]).shape == (3, 5)


@pytest.mark.parametrize("raw", [-100.0, -3.0, 0.0, 50.0])
def test_sigma_is_at_least_min_sigma(raw):
    operator = GaussianTransition((1,), outputs(0.0, raw), sigma=0.3, min_sigma=0.05)
    std = operator.transition(tf.zeros([1, 1]), tf.ones([1])).stddev().numpy()
    expected = 0.05 + 0.3 * np.logaddexp(0.0, raw) / np.log(2)
    np.testing.assert_allclose(std, [[expected]], rtol=1e-5)


def test_noise_transition_has_no_parameters_and_keeps_the_mean():
    operator = NoiseTransition((2,), 0.3)
    distribution = operator.transition(tf.fill([20_000, 2], 0.7), tf.fill([20_000], 2.0))
    moved = operator.draw(distribution, SEED).numpy() - 0.7
    assert not operator.trainable_variables
    assert has_mean(moved[:, 0], 0.0) and has_variance(moved, 0.18)
    assert not has_variance(moved, 0.17)


def test_gaussian_draws_have_the_moments_of_their_distribution():
    operator = gaussian("dense modulated")
    one, num = tf.repeat(states((5,), 1), 20_000, axis=0), 20_000
    distribution = operator.transition(one, tf.fill([num], 3.0))
    mean, variance = (np.broadcast_to(m, [num, 5])[0] for m in moments(distribution))
    standard = (operator.draw(distribution, SEED).numpy() - mean) / np.sqrt(variance)
    assert all(has_mean(column, 0.0) and has_variance(column, 1.0) for column in standard.T)
    assert np.abs(np.corrcoef(standard.T) - np.eye(5)).max() < 5 / np.sqrt(num)


@pytest.mark.parametrize("operator", [gaussian("dense"), NoiseTransition((5,), 1.0)])
def test_at_rest_of_gaussian_operators_is_independent_normal(operator):
    mean, variance = tf.fill([1, 5], 0.5), tf.fill([1, 5], 4.0)
    distribution = operator.at_rest(mean, variance)
    expected = -0.5 * 5 * (LOG_2_PI + np.log(4) + 0.25 / 4)
    np.testing.assert_allclose(distribution.log_prob(tf.zeros([1, 5])), [expected], rtol=1e-6)


def test_a_residual_network_adds_to_the_state():
    """The mean is alpha s + (1 - alpha) (s + r)."""
    state = tf.constant([[1.0], [-2.0]])
    for residual, expected in ((True, [[1.2], [-1.8]]), (False, [[0.7], [-0.8]])):
        network = outputs(0.4)
        operator = GaussianTransition((1,), network, 0.1, 0.0, 0.5, False, residual)
        mean = operator.transition(state, tf.ones([2])).mean()
        np.testing.assert_allclose(mean, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("alpha", "raw", "expected"), [(0.5, 0.0, 0.5), (0.8, 0.0, 0.8), (0.5, math.log(3.0), 0.75)]
)
def test_a_learned_weight_of_the_state_starts_at_alpha(alpha, raw, expected):
    """The mean is alpha(s) 2 + (1 - alpha(s)) 1, and the width does not change."""
    network = outputs(1.0, 0.0, raw)
    operator = GaussianTransition((1,), network, 0.1, alpha=alpha, learn_alpha=True)
    distribution = operator.transition(tf.fill([1, 1], 2.0), tf.ones([1]))
    np.testing.assert_allclose(distribution.mean(), [[1.0 + expected]], rtol=1e-6)
    np.testing.assert_allclose(distribution.stddev(), [[0.1]], rtol=1e-6)


def test_a_learned_weight_starts_between_0_and_1():
    with pytest.raises(InputError, match="^alpha is 0: a learned weight [^\n]*$"):
        GaussianTransition((1,), outputs(0.0, 0.0, 0.0), 0.1, alpha=0, learn_alpha=True)


@pytest.mark.parametrize("alpha", [-0.1, 1.1])
def test_alpha_outside_0_to_1_is_refused(alpha):
    for make in (
        lambda: GaussianTransition((1,), outputs(0.0, 0.0), 1.0, alpha=alpha),
        lambda: BernoulliTransition((1,), outputs(0.0), alpha),
    ):
        with pytest.raises(InputError, match="^alpha is [^\n]*$"):
            make()


def test_sigma_that_is_not_positive_is_refused():
    for make in (
        lambda: GaussianTransition((1,), outputs(0.0, 0.0), 0.0),
        lambda: GaussianTransition((1,), outputs(0.0, 0.0), 1.0, -0.1),
        lambda: NoiseTransition((1,), float("nan")),
    ):
        with pytest.raises(InputError, match="^sigma is [^\n]*$"):
            make()


def test_max_logit_that_is_not_positive_is_refused():
    for make in (
        lambda: BernoulliTransition((1,), outputs(0.0), max_logit=0.0),
        lambda: FlipTransition((1,), -1.0),
    ):
        with pytest.raises(InputError, match="^max_logit is [^\n]*$"):
            make()


# Signs


@pytest.mark.parametrize(
    ("state", "network", "alpha", "temperature", "expected"),
    [
        (1.0, 0.0, 0.5, 1.0, 0.6225),
        (1.0, 0.0, 0.5, 2.0, 0.5622),
        (-1.0, 0.0, 0.5, 1.0, 0.5),
        (1.0, 0.0, 0.9, 1.0, 0.7109),  # alpha is the weight of the state: 0.525 if exchanged
        (-1.0, 2.0, 0.9, 1.0, 0.5498),
    ],
)
def test_bernoulli_by_hand(state, network, alpha, temperature, expected):
    num = 40_000
    operator = BernoulliTransition((1,), outputs(network), alpha)
    distribution = operator.transition(tf.fill([num, 1], state), tf.fill([num], temperature))
    white = np.exp(distribution.log_prob(tf.ones([num, 1])))
    black = np.exp(distribution.log_prob(-tf.ones([num, 1])))
    assert white[0] == pytest.approx(expected, abs=5e-5)
    np.testing.assert_allclose(white + black, 1.0, rtol=1e-5)
    drawn = operator.draw(distribution, SEED).numpy()[:, 0]
    assert set(np.unique(drawn)) == {-1.0, 1.0}
    assert has_mean(drawn, 2 * white[0] - 1)
    assert not has_mean(drawn, 2 * white[0] - 1 + 0.03)


@pytest.mark.parametrize(
    ("state", "network", "temperature", "logit"),
    [(1.0, 0.0, 1.0, 3.0), (1.0, 1e3, 2.0, 2.0), (-1.0, 2.0, 1.0, 4 * np.tanh(0.5) / 4 - 3.0)],
)
def test_bounded_logits_by_hand(state, network, temperature, logit):
    """With alpha = 3/4 and c = 4 the state adds +-3 and the network at most 1."""
    operator = BernoulliTransition((1,), outputs(network), alpha=0.75, max_logit=4.0)
    distribution = operator.transition(tf.fill([1, 1], state), tf.fill([1], temperature))
    expected = 1 / (1 + np.exp(-logit))
    np.testing.assert_allclose(np.exp(distribution.log_prob([[1.0]])), [expected], rtol=1e-5)


@pytest.mark.parametrize("state", [-1.0, 1.0])
def test_flips_are_more_probable_at_higher_temperature(state):
    operator, num = FlipTransition((1,), 2.0), 20_000
    assert not operator.trainable_variables
    for temperature, stays in ((1.0, 0.8808), (4.0, 0.6225)):
        distribution = operator.transition(tf.fill([num, 1], state), tf.fill([num], temperature))
        np.testing.assert_allclose(np.exp(distribution.log_prob([[state]])), stays, atol=5e-5)
        assert has_mean(operator.draw(distribution, SEED)[:, 0] * state, 2 * stays - 1)


def test_binary_draws_are_independent_and_have_the_shape_of_images():
    operator = BernoulliTransition((2, 2, 1), outputs(0.0))
    distribution = operator.transition(tf.ones([20_000, 2, 2, 1]), tf.ones([20_000]))
    drawn = operator.draw(distribution, SEED)
    assert drawn.shape == (20_000, 2, 2, 1) and distribution.log_prob(drawn).shape == (20_000,)
    correlation = np.corrcoef(np.reshape(drawn, [-1, 4]).T)
    assert np.abs(correlation - np.eye(4)).max() < 5 / np.sqrt(20_000)


def test_the_mean_of_signs_follows_from_both_probabilities():
    coin = Signs([-3.0, 0.0, 0.7])
    white, black = (np.exp(coin.log_prob(side)) for side in (1.0, -1.0))
    np.testing.assert_allclose(coin.mean(), white - black, atol=1e-6)
    assert coin.batch_shape == (3,) and coin.event_shape == ()


def test_at_rest_of_binary_operators_has_the_share_of_white_and_no_certain_pixel():
    operator = BernoulliTransition((3,), outputs(0.0))
    distribution = operator.at_rest(tf.constant([[-1.0, 0.2, 1.0]]), tf.ones([1, 3]))
    share = np.exp(distribution.distribution.log_prob(1.0))
    np.testing.assert_allclose(share, [[0.001, 0.6, 0.999]], rtol=1e-4)
    assert np.isfinite(distribution.log_prob([[1.0, 1.0, -1.0]])).all()


# Networks


@every_network
def test_examples_do_not_mix(name):
    operator = gaussian(name)
    together, heat = states(operator.state_shape), tf.constant([1.0, 2.0, 8.0])
    batch = moments(operator.transition(together, heat))
    for i in range(3):
        alone = moments(operator.transition(together[i : i + 1], heat[i : i + 1]))
        for ours, theirs in zip(alone, batch, strict=True):
            np.testing.assert_allclose(ours[0], theirs[i], rtol=1e-4, atol=1e-5)


@every_network
def test_only_modulated_networks_depend_on_the_temperature(name):
    operator = gaussian(name)
    same = tf.repeat(states(operator.state_shape, 1), 2, axis=0)
    cold, hot = operator.transition(same, tf.constant([1.0, 32.0])).mean().numpy()
    if "modulated" in name or name == "dense on images":
        assert np.abs(cold - hot).max() > 1e-3
    else:
        np.testing.assert_allclose(cold, hot, atol=1e-6)


@every_network
def test_initial_networks_do_not_depend_on_the_temperature(name):
    keras.utils.set_random_seed(0)
    make_network, shape = NETWORKS[name]
    operator = GaussianTransition(shape, make_network, 0.1)
    same = tf.repeat(states(shape, 1), 2, axis=0)
    cold, hot = operator.transition(same, tf.constant([1.0, 32.0])).mean().numpy()
    np.testing.assert_allclose(cold, hot, atol=1e-6)
    assert np.abs(cold - 0.5 * same[0]).max() > 1e-3


@every_network
def test_mean_and_width_have_the_state_shape_and_every_weight_a_gradient(name):
    operator = gaussian(name)
    with tf.GradientTape() as tape:
        state = states(operator.state_shape)
        distribution = operator.transition(state, tf.fill([3], 2.0))
        log_prob = distribution.log_prob(state)
        loss = tf.reduce_sum(log_prob)
    assert distribution.mean().shape == distribution.stddev().shape == (3, *operator.state_shape)
    assert log_prob.shape == (3,)
    gradients = tape.gradient(loss, operator.trainable_variables)
    assert len(gradients) > 4
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in gradients)


@pytest.mark.parametrize(("channels", "units"), [([], [8]), ([12], [8]), ([8], [10])])
def test_layers_that_cannot_be_normalised_are_refused(channels, units):
    with pytest.raises(InputError, match="^[^\n]*multiples of 8[^\n]*$"):
        GaussianTransition((8, 8, 1), convolutional(channels, units, "relu", False), 0.1)


@pytest.mark.parametrize("shape", [(6, 8, 1), (13, 9, 3), (28, 28, 1)])
def test_states_of_any_size_keep_their_shape(shape):
    model = GaussianTransition(shape, convolutional([8, 8, 8], [8], "relu", False), 0.1)
    state = noise.normal(SEED, [2, *shape])
    assert model.transition(state, tf.ones([2])).mean().shape == (2, *shape)
