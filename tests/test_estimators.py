"""Estimators of the encoder's gradient, against enumeration of all 2^10 latents."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import expit

from tests import binary_toy as toy
from tf_shortrun import noise
from tf_shortrun.errors import InputError
from tf_shortrun.learners.estimators import (
    Reinforce,
    Vimco,
    disarm,
    entropy,
    log_posterior,
    straight_through,
)

NUM = 200000
SEED = noise.make_seed(7)
COUPLINGS, DECODER = (tf.constant(x, tf.float32) for x in (toy.COUPLINGS, toy.DECODER))
LOGITS = tf.constant(toy.LOGITS, tf.float32)
UNBIASED = [Reinforce(1), Reinforce(4), disarm]


def log_joint(z, decoder=DECODER):
    """log p(x | z) - F(z): as in the toy, without log Z."""
    hidden = tf.reduce_sum(tf.nn.softplus(z @ COUPLINGS + toy.HIDDEN_BIAS), axis=-1)
    prior = tf.linalg.matvec(z, tf.constant(toy.VISIBLE_BIAS, tf.float32)) + hidden
    signs = tf.constant(2 * toy.X - 1, tf.float32)
    return prior - tf.reduce_sum(tf.nn.softplus(-signs * (z @ decoder + toy.DECODER_BIAS)), axis=-1)


def gradients(estimator, num=NUM, seed=SEED):
    """Values [num] and gradients [num, 10] of that many independent estimates, compiled."""

    @tf.function
    def sample():
        logits = tf.tile(LOGITS[None], [num, 1])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            estimate = estimator(log_joint, logits, seed)
        return estimate.bound, tape.gradient(estimate.bound, logits), estimate.samples

    return [x.numpy() for x in sample()]


def errors(draws, exact):
    """Of the mean over the first axis, in standard errors."""
    return np.abs(np.mean(draws, axis=0) - exact) / (np.std(draws, axis=0) / np.sqrt(len(draws)))


def vimco_bound():
    """E log 1/2 (exp f(z_1) + exp f(z_2)) and its gradient, by enumeration of both draws."""
    logits = tf.constant(toy.LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        log_q = log_posterior(tf.constant(toy.STATES), logits)
        f = toy.log_likelihood() + toy.log_unnormalised() - log_q
        both = np.log(0.5) + tf.reduce_logsumexp(tf.stack(tf.meshgrid(f, f)), axis=0)
        bound = tf.einsum("i,ij,j->", tf.exp(log_q), both, tf.exp(log_q))
    return float(bound), tape.gradient(bound, logits).numpy()


# Exact


def test_the_exact_gradient_is_pinned():
    exact = toy.bound_gradient()
    np.testing.assert_allclose(exact[:4], [-0.117945, -0.365449, 0.251529, -0.083940], atol=5e-7)
    for i in range(10):
        step = 1e-5 * np.eye(10)[i]
        difference = toy.bound(logits=toy.LOGITS + step) - toy.bound(logits=toy.LOGITS - step)
        assert exact[i] == pytest.approx(difference / 2e-5, abs=1e-8)


def test_the_entropy_is_minus_the_mean_of_log_q():
    log_q = log_posterior(tf.constant(toy.STATES), tf.constant(toy.LOGITS)).numpy()
    np.testing.assert_allclose(log_q, toy.log_posterior(), rtol=1e-12)
    exact = float(entropy(tf.constant(toy.LOGITS[None]))[0])
    assert exact == pytest.approx(6.632356, abs=5e-7)
    assert exact == pytest.approx(-np.exp(log_q) @ log_q, abs=1e-12)


def test_the_joint_of_the_test_is_that_of_the_toy():
    expected = toy.log_likelihood() + toy.log_unnormalised()
    np.testing.assert_allclose(log_joint(tf.constant(toy.STATES, tf.float32)), expected, atol=1e-4)


# Without bias


@pytest.mark.parametrize("estimator", UNBIASED, ids=str)
def test_the_mean_is_the_exact_gradient(estimator):
    bound, gradient, _ = gradients(estimator)
    exact = toy.bound_gradient()
    assert errors(gradient, exact).max() < 4
    assert errors(bound, toy.bound() + toy.LOG_PARTITION) < 4
    assert errors(1.1 * gradient, exact).max() > 6  # power
    assert errors(0.9 * gradient, exact).max() > 6


def test_vimco_has_the_gradient_of_its_own_bound():
    bound, gradient, _ = gradients(Vimco(2))
    exact_bound, exact = vimco_bound()
    assert errors(gradient, exact).max() < 4
    assert errors(bound, exact_bound) < 4
    assert errors(gradient, toy.bound_gradient()).max() > 20
    assert errors(1.1 * gradient, exact).max() > 6


class Draws:
    """A law whose draws are given."""

    def __init__(self, samples, logits):
        self._samples = samples
        self.log_prob = lambda z: log_posterior(z, logits)

    def sample(self, sample_shape, seed):
        return self._samples


def test_vimco_is_that_of_tensorflow_probability():
    bound, gradient, z = gradients(Vimco(5), 20)
    logits = tf.tile(LOGITS[None], [20, 1])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        peer = tfp.vi.csiszar_vimco(lambda u: u, log_joint, Draws(z, logits), 5, 20)
    np.testing.assert_allclose(20 * tape.gradient(peer, logits), gradient, rtol=1e-3, atol=1e-4)
    assert np.std(gradient) > 0.1


# Straight through


def test_straight_through_points_the_right_way_with_a_bias():
    _, gradient, _ = gradients(straight_through)
    mean, exact = gradient.mean(axis=0), toy.bound_gradient()
    assert mean @ exact / np.linalg.norm(mean) / np.linalg.norm(exact) > 0.99
    assert errors(gradient, exact).max() > 4


def test_straight_through_is_the_slope_at_the_draw():
    """df/dz s(l) s(-l) - l s(l) s(-l), where f is taken at the bits."""
    bound, gradient, samples = gradients(straight_through, 20)
    z = samples[0].astype(float)
    slope = toy.VISIBLE_BIAS + expit(z @ toy.COUPLINGS + toy.HIDDEN_BIAS) @ toy.COUPLINGS.T
    slope += (toy.X - expit(z @ toy.DECODER + toy.DECODER_BIAS)) @ toy.DECODER.T
    variance = expit(toy.LOGITS) * expit(-toy.LOGITS)
    np.testing.assert_allclose(gradient, (slope - toy.LOGITS) * variance, rtol=1e-3, atol=1e-4)
    joint = (toy.log_likelihood() + toy.log_unnormalised())[toy.index(z)]
    np.testing.assert_allclose(bound, joint + 6.632356, atol=1e-4)


# Each by hand, and among each other


def signal(samples):
    """f of draws, from the enumeration."""
    f = toy.log_likelihood() + toy.log_unnormalised() - toy.log_posterior()
    return np.stack([f[toy.index(z)] for z in samples])[..., None]


def test_reinforce_by_hand():
    for num_samples in (1, 3):
        _, gradient, z = gradients(Reinforce(num_samples), 20)
        f = signal(z)
        others = np.stack([np.delete(f, k, axis=0).sum(axis=0) for k in range(num_samples)])
        advantage = f - others / max(num_samples - 1, 1)
        expected = np.mean(advantage * (z - expit(toy.LOGITS)), axis=0)
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3)


def test_disarm_by_hand():
    _, gradient, z = gradients(disarm, 20)
    f, differ = signal(z), z[0] != z[1]
    expected = 0.5 * (f[0] - f[1]) * (-1) ** z[1] * differ * expit(np.abs(toy.LOGITS))
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3)
    assert 0.2 < differ.mean() < 1


def test_the_order_of_variances():
    """DisARM has two draws: its peer is REINFORCE with two."""
    variances, squared_errors = [], []
    for estimator in (straight_through, disarm, Reinforce(2), Reinforce(1)):
        _, gradient, _ = gradients(estimator)
        squares = np.mean((gradient - gradient.mean(axis=0)) ** 2, axis=1)
        variances.append(squares.mean())
        squared_errors.append(squares.var() / NUM)
    gaps, noises = np.diff(variances), np.add(squared_errors[1:], squared_errors[:-1])
    assert (gaps / np.sqrt(noises) > 8).all()


# The contract


@pytest.mark.parametrize("estimator", [straight_through, *UNBIASED, Vimco(3)], ids=str)
def test_draws_are_those_of_q_and_constant(estimator):
    _, _, samples = gradients(estimator, 20000)
    assert samples.shape[1:] == (20000, 10) and set(np.unique(samples)) == {0, 1}
    mean = expit(toy.LOGITS)
    for z in samples:
        assert np.abs((z.mean(axis=0) - mean) / np.sqrt(mean * (1 - mean) / 20000)).max() < 4.5
    with tf.GradientTape() as tape:
        tape.watch(LOGITS)
        estimate = estimator(log_joint, LOGITS[None], SEED)
    assert tape.gradient(estimate.samples, LOGITS) is None


@pytest.mark.parametrize("estimator", [straight_through, *UNBIASED, Vimco(3)], ids=str)
def test_parameters_have_the_ordinary_gradient(estimator):
    """Of the mean over draws, or of the bound by all of them."""
    logits = tf.tile(LOGITS[None], [20, 1])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(DECODER)
        estimate = estimator(log_joint, logits, SEED)
        f = tf.stack([log_joint(z) for z in estimate.samples])
        f -= log_posterior(estimate.samples, logits)
        mean = tf.reduce_logsumexp if isinstance(estimator, Vimco) else tf.reduce_mean
        ordinary = mean(f, axis=0)
    ours, expected = (tape.gradient(y, DECODER) for y in (estimate.bound, ordinary))
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)
    assert np.abs(expected).max() > 1


@pytest.mark.parametrize("estimator", UNBIASED, ids=str)
def test_at_the_posterior_there_is_nothing_to_learn(estimator):
    """f is constant: whoever compares draws is still at every one of them."""
    logits = tf.tile(LOGITS[None], [50, 1])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        estimate = estimator(lambda z: log_posterior(z, LOGITS) + 2.0, logits, SEED)
    gradient = tape.gradient(estimate.bound, logits).numpy()
    np.testing.assert_allclose(estimate.bound, 2.0, atol=1e-5)
    assert (np.abs(gradient).max() < 1e-4) == (estimator != Reinforce(1))


@pytest.mark.parametrize("make", [lambda: Reinforce(0), lambda: Vimco(1)])
def test_too_few_draws_are_refused_in_one_line(make):
    with pytest.raises(InputError, match="choose at least") as error:
        make()
    assert "\n" not in str(error.value)
