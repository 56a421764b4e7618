"""Tests of the estimators of the encoder's gradient, by enumeration of all 2^10 latents.

One posterior has one group of bits, the other two groups, the second conditioned on the first.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.special import expit

import binary_toy as toy
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.kernels.gibbs import draw
from tf_shortrun.methods.binary.estimators import (
    Reinforce,
    Vimco,
    complete,
    disarm,
    entropy,
    log_posterior,
    straight_through,
)

NUM = 200000
SEED = noise.make_seed(7)
COUPLINGS, DECODER = (tf.constant(x, tf.float32) for x in (toy.COUPLINGS, toy.DECODER))
UNBIASED = [Reinforce(1), Reinforce(4), disarm]


def independent(logits):
    return [lambda before: logits]


def following(parameters):
    """Returns conditionals of 4 bits, then 6 of logits l_2 + z_1 A, from l_1, l_2, A [B, 34]."""
    first, second, effect = tf.split(parameters, [4, 6, 24], axis=1)
    effect = tf.reshape(effect, [-1, 4, 6])
    return [
        lambda before: first,
        lambda before: second + tf.einsum("bi,bij->bj", before[0], effect),
    ]


class Posterior(NamedTuple):
    """A posterior: values of its parameters, and the function from [B, .] to conditionals."""

    values: np.ndarray
    conditionals: Callable

    def parameters(self, num, dtype=tf.float32):
        """Returns a copy for each draw, [num, .], so that each draw has its own gradient."""
        return tf.tile(tf.constant(self.values[None], dtype), [num, 1])


EFFECT = np.random.default_rng(2).normal(0, 1.5, (4, 6))
ONE = Posterior(toy.LOGITS, independent)
TWO = Posterior(np.concatenate([toy.LOGITS, EFFECT.ravel()]), following)


def name(estimator):
    """Returns a test id that is the same in every process."""
    return getattr(estimator, "__name__", str(estimator))


both_distributions = pytest.mark.parametrize(
    "distribution", [ONE, TWO], ids=["one group", "two groups"]
)


def log_joint(z, decoder=DECODER):
    """Returns log p(x | z) - F(z) of the toy, without log Z."""
    hidden = tf.reduce_sum(tf.nn.softplus(z @ COUPLINGS + toy.HIDDEN_BIAS), axis=-1)
    prior = tf.linalg.matvec(z, tf.constant(toy.VISIBLE_BIAS, tf.float32)) + hidden
    signs = tf.constant(2 * toy.X - 1, tf.float32)
    return prior - tf.reduce_sum(tf.nn.softplus(-signs * (z @ decoder + toy.DECODER_BIAS)), axis=-1)


def gradients(estimator, num=NUM, distribution=ONE):
    """Returns values [num], gradients [num, .] and draws of `num` independent estimates."""

    @tf.function
    def sample():
        parameters = distribution.parameters(num)
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            estimate = estimator(log_joint, distribution.conditionals(parameters), SEED)
        return estimate.bound, tape.gradient(estimate.bound, parameters), estimate.samples

    return [x.numpy() for x in sample()]


def errors(draws, exact):
    """Returns the error of the mean over the first axis, in standard errors."""
    return np.abs(np.mean(draws, axis=0) - exact) / (np.std(draws, axis=0) / np.sqrt(len(draws)))


def enumerated(distribution, num_samples=1):
    """Returns E log 1/K sum_k exp f(z_k), K = 1 or 2, its gradient, and log q of all states."""
    parameters, z = tf.constant(distribution.values[None]), tf.constant(toy.STATES)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        first = parameters[:, :10]
        effect = (
            tf.reshape(parameters[:, 10:], [4, 6])
            if distribution is TWO
            else tf.zeros([4, 6], z.dtype)
        )
        logits = first + tf.pad(z[:, :4] @ effect, [[0, 0], [4, 0]])
        log_q = tf.reduce_sum(tf.math.log_sigmoid((2 * z - 1) * logits), axis=1)
        f, q = toy.log_likelihood() + toy.log_unnormalised() - log_q, tf.exp(log_q)
        bound = tf.tensordot(q, f, 1)
        if num_samples == 2:
            pairs = np.log(0.5) + tf.reduce_logsumexp(tf.stack(tf.meshgrid(f, f)), axis=0)
            bound = tf.einsum("i,ij,j->", q, pairs, q)
    return float(bound), tape.gradient(bound, parameters)[0].numpy(), log_q.numpy()


# Exact values


def test_the_exact_gradient_has_its_recorded_value():
    exact = toy.bound_gradient()
    np.testing.assert_allclose(exact[:4], [-0.117945, -0.365449, 0.251529, -0.083940], atol=5e-7)
    for i in range(10):
        step = 1e-5 * np.eye(10)[i]
        difference = toy.bound(logits=toy.LOGITS + step) - toy.bound(logits=toy.LOGITS - step)
        assert exact[i] == pytest.approx(difference / 2e-5, abs=1e-8)
    bound, gradient, log_q = enumerated(ONE)
    np.testing.assert_allclose(gradient, exact, atol=1e-12)
    np.testing.assert_allclose(log_q, toy.log_posterior(), atol=1e-12)
    assert bound == pytest.approx(toy.bound() + toy.LOG_PARTITION, abs=1e-12)


def test_the_second_group_depends_on_the_first():
    """By hand at one state; probabilities add up to 1; only means of the second group change."""
    _, _, log_q = enumerated(TWO)
    assert np.exp(log_q).sum() == pytest.approx(1, abs=1e-12)
    z = np.array([1, 0, 0, 1, 0, 1, 1, 0, 1, 0])
    logits = np.append(toy.LOGITS[:4], toy.LOGITS[4:] + EFFECT[0] + EFFECT[3])
    by_hand = np.log(np.where(z == 1, expit(logits), expit(-logits))).sum()
    assert log_q[toy.index(z[None])][0] == pytest.approx(by_hand, abs=1e-12)
    moved = np.exp(log_q) @ toy.STATES - expit(toy.LOGITS)
    assert np.abs(moved[:4]).max() < 1e-12 and np.abs(moved[4:]).max() > 0.1


def test_the_entropy_is_minus_the_mean_of_log_q():
    log_q = log_posterior(tf.constant(toy.STATES), tf.constant(toy.LOGITS)).numpy()
    np.testing.assert_allclose(log_q, toy.log_posterior(), rtol=1e-12)
    exact = float(entropy(tf.constant(toy.LOGITS[None]))[0])
    assert exact == pytest.approx(6.632356, abs=5e-7)
    assert exact == pytest.approx(-np.exp(log_q) @ log_q, abs=1e-12)


def test_log_joint_equals_that_of_the_toy():
    expected = toy.log_likelihood() + toy.log_unnormalised()
    np.testing.assert_allclose(log_joint(tf.constant(toy.STATES, tf.float32)), expected, atol=1e-4)


# Unbiased estimators


@both_distributions
@pytest.mark.parametrize("estimator", UNBIASED, ids=name)
def test_the_mean_estimate_equals_the_exact_gradient(estimator, distribution):
    bound, gradient, _ = gradients(estimator, distribution=distribution)
    exact_bound, exact, _ = enumerated(distribution)
    assert errors(gradient, exact).max() < 4
    assert errors(bound, exact_bound) < 4
    assert errors(1.1 * gradient, exact).max() > 6  # power of the check
    assert errors(0.9 * gradient, exact).max() > 6


@both_distributions
def test_vimco_has_the_gradient_of_its_own_bound(distribution):
    bound, gradient, _ = gradients(Vimco(2), distribution=distribution)
    exact_bound, exact, _ = enumerated(distribution, 2)
    assert errors(gradient, exact).max() < 4
    assert errors(bound, exact_bound) < 4
    assert errors(gradient, enumerated(distribution)[1]).max() > 20
    assert errors(1.1 * gradient, exact).max() > 6


def test_an_estimator_that_ignores_later_groups_is_biased():
    """It uses the same second group for both draws of the first: only l_1 has an error."""

    def shortsighted(log_joint, conditionals, seed):
        first = draw(conditionals[0]([]), noise.fold(seed, 0))
        second = conditionals[1]([first])
        return disarm(log_joint, [conditionals[0], lambda before: second], seed)

    deviation = errors(gradients(shortsighted, distribution=TWO)[1], enumerated(TWO)[1])
    assert deviation[:4].max() > 10 and deviation[4:].max() < 4


class Draws:
    """A distribution with given draws."""

    def __init__(self, samples, logits):
        self._samples = samples
        self.log_prob = lambda z: log_posterior(z, logits)

    def sample(self, sample_shape, seed):
        return self._samples


def test_vimco_equals_that_of_tensorflow_probability():
    bound, gradient, z = gradients(Vimco(5), 20)
    logits = ONE.parameters(20)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        peer = tfp.vi.csiszar_vimco(lambda u: u, log_joint, Draws(z, logits), 5, 20)
    np.testing.assert_allclose(20 * tape.gradient(peer, logits), gradient, rtol=1e-3, atol=1e-4)
    assert np.std(gradient) > 0.1


# Straight-through


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@both_distributions
def test_straight_through_has_the_right_direction_and_a_bias(distribution):
    bound, gradient, _ = gradients(straight_through, distribution=distribution)
    exact_bound, exact, _ = enumerated(distribution)
    mean = gradient.mean(axis=0)
    assert cosine(mean, exact) > 0.99
    assert errors(bound, exact_bound) < 4
    assert errors(gradient, exact).max() > 4


def test_straight_through_is_the_derivative_at_the_draw():
    """The gradient is df/dz s(l) s(-l) - l s(l) s(-l), with f at the bits."""
    bound, gradient, samples = gradients(straight_through, 20)
    z = samples[0].astype(float)
    slope = toy.VISIBLE_BIAS + expit(z @ toy.COUPLINGS + toy.HIDDEN_BIAS) @ toy.COUPLINGS.T
    slope += (toy.X - expit(z @ toy.DECODER + toy.DECODER_BIAS)) @ toy.DECODER.T
    variance = expit(toy.LOGITS) * expit(-toy.LOGITS)
    np.testing.assert_allclose(gradient, (slope - toy.LOGITS) * variance, rtol=1e-3, atol=1e-4)
    joint = (toy.log_likelihood() + toy.log_unnormalised())[toy.index(z)]
    np.testing.assert_allclose(bound, joint + 6.632356, atol=1e-4)


# Values by hand, and variances


def signal(samples, distribution=ONE):
    """Returns f of draws, by enumeration: [K, B, 1]."""
    f = toy.log_likelihood() + toy.log_unnormalised() - enumerated(distribution)[2]
    return np.stack([f[toy.index(z)] for z in samples])[..., None]


def test_reinforce_equals_its_value_by_hand():
    for num_samples in (1, 3):
        _, gradient, z = gradients(Reinforce(num_samples), 20)
        f = signal(z)
        others = np.stack([np.delete(f, k, axis=0).sum(axis=0) for k in range(num_samples)])
        advantage = f - others / max(num_samples - 1, 1)
        expected = np.mean(advantage * (z - expit(toy.LOGITS)), axis=0)
        np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3)


def test_disarm_equals_its_value_by_hand():
    _, gradient, z = gradients(disarm, 20)
    f, differ = signal(z), z[0] != z[1]
    expected = 0.5 * (f[0] - f[1]) * (-1) ** z[1] * differ * expit(np.abs(toy.LOGITS))
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-3)
    assert 0.2 < differ.mean() < 1


def test_variances_have_their_expected_order():
    """DisARM has two draws, so it is compared with REINFORCE with two."""
    variances, squared_errors = [], []
    for estimator in (straight_through, disarm, Reinforce(2), Reinforce(1)):
        _, gradient, _ = gradients(estimator)
        squares = np.mean((gradient - gradient.mean(axis=0)) ** 2, axis=1)
        variances.append(squares.mean())
        squared_errors.append(squares.var() / NUM)
    gaps, noises = np.diff(variances), np.add(squared_errors[1:], squared_errors[:-1])
    assert (gaps / np.sqrt(noises) > 8).all()


def test_disarm_with_two_groups_equals_its_value_by_hand():
    """It has a draw, one that differs in both groups, and one that differs in the second."""
    _, gradient, z = gradients(disarm, 20, TWO)
    first, second, effect = np.split(gradient, [4, 10], axis=1)
    f = signal(z, TWO)
    assert len(z) == 3
    np.testing.assert_array_equal(z[0, :, :4], z[2, :, :4])
    logits = toy.LOGITS[4:] + z[0, :, :4] @ EFFECT
    differences = 0.5 * (f[0] - f[1:]) * (z[0] - z[1:])
    expected = differences[0, :, :4] * expit(np.abs(toy.LOGITS[:4]))
    np.testing.assert_allclose(first, expected, rtol=1e-3, atol=1e-3)
    expected = differences[1, :, 4:] * expit(np.abs(logits))
    np.testing.assert_allclose(second, expected, rtol=1e-3, atol=1e-3)
    expected = np.einsum("bi,bj->bij", z[0, :, :4], expected).reshape(20, 24)
    np.testing.assert_allclose(effect, expected, rtol=1e-3, atol=1e-3)
    assert np.abs(first).max() > 1 and np.abs(effect).max() > 1


# All groups of a draw


@both_distributions
def test_log_q_is_the_sum_over_all_groups(distribution):
    parameters, (_, _, exact) = distribution.parameters(20000), enumerated(distribution)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        z, log_q = complete(distribution.conditionals(parameters), SEED)
    np.testing.assert_allclose(log_q, exact[toy.index(z)], rtol=1e-5)
    mean = np.exp(exact) @ toy.STATES
    deviation = np.sqrt(mean * (1 - mean) / 20000)
    assert np.abs((np.mean(z, axis=0) - mean) / deviation).max() < 4
    gradient = tape.gradient(log_q, parameters).numpy()
    assert errors(gradient, 0.0).max() < 4  # the mean of a score is 0
    np.testing.assert_allclose(gradient[:, :4], z[:, :4] - expit(toy.LOGITS[:4]), atol=1e-6)


def test_complete_keeps_given_groups_and_draws_the_others_with_the_same_noise():
    conditionals = following(TWO.parameters(1024))
    groups = tf.split(tf.constant(toy.STATES, tf.float32), [4, 6], axis=1)
    z, log_q = complete(conditionals, SEED, groups)
    np.testing.assert_array_equal(z, toy.STATES)
    np.testing.assert_allclose(log_q, enumerated(TWO)[2], rtol=1e-5)
    z, log_q = complete(conditionals, SEED, groups[:1])
    np.testing.assert_array_equal(z[:, :4], groups[0])
    expected = draw(conditionals[1](groups[:1]), noise.fold(SEED, 1))
    np.testing.assert_array_equal(z[:, 4:], expected)
    np.testing.assert_allclose(log_q, enumerated(TWO)[2][toy.index(z)], rtol=1e-5)


# Properties of all estimators


@both_distributions
@pytest.mark.parametrize("estimator", [straight_through, *UNBIASED, Vimco(3)], ids=name)
def test_draws_have_distribution_q_and_no_gradient(estimator, distribution):
    _, _, samples = gradients(estimator, 20000, distribution)
    assert samples.shape[1:] == (20000, 10) and set(np.unique(samples)) == {0, 1}
    mean = np.exp(enumerated(distribution)[2]) @ toy.STATES
    for z in samples:
        assert np.abs((z.mean(axis=0) - mean) / np.sqrt(mean * (1 - mean) / 20000)).max() < 4.5
    parameters = distribution.parameters(1)
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        estimate = estimator(log_joint, distribution.conditionals(parameters), SEED)
    assert tape.gradient(estimate.samples, parameters) is None


@both_distributions
@pytest.mark.parametrize("estimator", [straight_through, *UNBIASED, Vimco(3)], ids=name)
def test_parameters_of_log_joint_have_the_usual_gradient(estimator, distribution):
    """The gradient is that of the mean over draws, or of the `Vimco` bound."""
    conditionals, log_q = (
        distribution.conditionals(distribution.parameters(20)),
        enumerated(distribution)[2],
    )
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(DECODER)
        estimate = estimator(log_joint, conditionals, SEED)
        f = tf.stack([log_joint(z) - log_q[toy.index(z)] for z in estimate.samples])
        mean = tf.reduce_logsumexp if isinstance(estimator, Vimco) else tf.reduce_mean
        ordinary = mean(f, axis=0)
    ours, expected = (tape.gradient(y, DECODER) for y in (estimate.bound, ordinary))
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-3)
    assert np.abs(expected).max() > 1


@both_distributions
@pytest.mark.parametrize("estimator", UNBIASED, ids=name)
def test_at_the_posterior_estimators_that_compare_draws_are_zero(estimator, distribution):
    """At the posterior f is constant, so that every single estimate is 0."""
    parameters, posterior = (
        distribution.parameters(50),
        tf.constant(enumerated(distribution)[2], tf.float32),
    )
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        estimate = estimator(
            lambda z: tf.gather(posterior, toy.index(z)) + 2.0,
            distribution.conditionals(parameters),
            SEED,
        )
    gradient = tape.gradient(estimate.bound, parameters).numpy()
    np.testing.assert_allclose(estimate.bound, 2.0, atol=1e-5)
    assert (np.abs(gradient).max() < 1e-4) == (estimator != Reinforce(1))


@pytest.mark.parametrize("make", [lambda: Reinforce(0), lambda: Vimco(1)])
def test_too_few_draws_are_refused_in_one_line(make):
    with pytest.raises(InputError, match="choose at least") as error:
        make()
    assert "\n" not in str(error.value)
