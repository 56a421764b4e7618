"""The Metropolis-adjusted move and its chains, compared with closed forms and another library."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tf_shortrun.core import nest, noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.kernels import langevin, mala
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.energy.refinement import Refinement

SEED = noise.make_seed(5)
PRECISION = np.array([[2.0, 0.6, -0.8], [0.6, 1.0, 0.3], [-0.8, 0.3, 1.5]], np.float32)


def standard(latents):
    return -0.5 * nest.squared_norm(latents)


def banana(latents):
    x, y = tf.unstack(latents[0], axis=-1)
    return -(x**2) / 2 - 2 * (y - x**2) ** 2


def correlated(latents):
    """Returns the log density of N(0, PRECISION^-1) for layers of widths 2 and 1."""
    z = tf.concat(latents, axis=-1)
    return -0.5 * tf.einsum("bi,ij,bj->b", z, PRECISION, z)


def propose(log_prob_fn, start, end, step_size, monkeypatch):
    """Returns state and acceptance for noise that makes `end` the proposal."""
    begin = mala.init(log_prob_fn, [start])
    xi = (end - start - step_size * begin.gradients[0]) / np.sqrt(2 * step_size)
    monkeypatch.setattr(nest, "normal_like", lambda latents, seed: [xi])
    state, info = mala.make_step(log_prob_fn)(begin, tf.constant([step_size]), SEED)
    return state, info.acceptance.numpy()


def chain(log_prob_fn, start, step_sizes, num_steps, seed=SEED):
    """Returns the last state, and the acceptance of every step [K, B]."""
    begin = mala.init(log_prob_fn, start)
    controls = np.tile(np.float32(step_sizes), [num_steps, 1])
    state, info = unroll(mala.make_step(log_prob_fn), begin, controls, seed)
    return state, info.acceptance.numpy()


def draws(num, seed=1):
    return noise.normal(noise.make_seed(seed), [num, 1])


def variance_error(ends):
    """Returns the error of the variance of draws from N(0, 1), in standard errors."""
    return abs(np.mean(np.square(ends)) - 1) / np.sqrt(2 / len(ends))


# The ratio


def test_the_ratio_has_the_hand_computed_value(monkeypatch):
    """U = z^2 / 2, s = 0.1: log r = s (U'(z)^2 - U'(z')^2) / 4 = 0.01875 from 1 to 0.5."""
    one, half = tf.constant([[1.0]]), tf.constant([[0.5]])
    forward = propose(standard, one, half, 0.1, monkeypatch)[1]
    reverse = propose(standard, half, one, 0.1, monkeypatch)[1]
    assert forward == pytest.approx(1.0)
    assert reverse == pytest.approx(np.exp(-0.01875), abs=1e-6)


def test_the_ratio_equals_that_of_tensorflow_probability(monkeypatch):
    """The step size of TensorFlow Probability is h = 2 s."""
    start = 1.5 * noise.normal(SEED, [200, 2])
    peer = tfp.mcmc.MetropolisAdjustedLangevinAlgorithm(lambda z: banana([z]), step_size=0.2)
    _, results = peer.one_step(start, peer.bootstrap_results(start), seed=[1, 2])
    proposed, log_ratio = results.proposed_state, results.log_accept_ratio.numpy()
    assert 0.2 < np.mean(log_ratio < -0.05) < 0.9
    _, acceptance = propose(banana, start, proposed, 0.1, monkeypatch)
    np.testing.assert_allclose(acceptance, np.exp(np.minimum(log_ratio, 0)), atol=1e-4)
    _, wrong = propose(banana, start, proposed, 0.11, monkeypatch)
    assert np.abs(wrong - acceptance).max() > 0.05


def test_a_proposal_without_a_density_is_rejected(monkeypatch):
    def log_prob(latents):
        return tf.math.log(1.0 - latents[0][:, 0])  # NaN above 1, with a NaN gradient

    start, end = tf.constant([[0.2], [0.2]]), tf.constant([[1.7], [0.1]])
    state, acceptance = propose(log_prob, start, end, 0.1, monkeypatch)
    assert acceptance[0] == 0 and acceptance[1] > 0.5
    assert state.latents[0][0] == 0.2 and np.isfinite(state.gradients[0]).all()


def test_moves_are_accepted_with_the_reported_probability():
    start = [draws(20000)]
    state, acceptance = chain(standard, start, [1.2], 1)
    assert acceptance.min() >= 0 and acceptance.max() <= 1
    moved = np.mean(state.latents[0] != start[0])
    assert 0.3 < moved < 0.9
    assert moved == pytest.approx(acceptance.mean(), abs=4 * 0.5 / np.sqrt(20000))


def test_the_state_fits_its_latents_after_accepted_and_rejected_moves():
    start = [noise.normal(SEED, [500, 2])]
    state, acceptance = chain(banana, start, [0.3], 3)
    assert 0.1 < acceptance.mean() < 0.9  # some moved, some did not
    fresh = mala.init(banana, state.latents)
    np.testing.assert_allclose(state.log_prob, fresh.log_prob, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(state.gradients[0], fresh.gradients[0], rtol=1e-4, atol=1e-4)
    assert np.abs(state.gradients[0] - mala.init(banana, start).gradients[0]).max() > 0.1


# Distributions that chains leave invariant


def test_a_long_chain_has_the_variance_of_its_target_even_at_a_large_step():
    """The unadjusted chain has the variance 1 / (1 - s / 2)."""
    num, step_size = 20000, 0.5
    state, _ = chain(standard, [tf.fill([num, 1], 3.0)], [step_size], 60)
    assert variance_error(state.latents[0]) < 4
    unadjusted = langevin.make_step(standard, noise_scale=1.0)
    begin = langevin.LangevinState([draws(num)])
    end, _ = unroll(unadjusted, begin, tf.fill([60, 1], step_size), SEED)
    assert np.mean(np.square(end.latents[0])) == pytest.approx(1 / 0.75, abs=0.06)
    assert variance_error(end.latents[0]) > 20


def without_proposal(start, end, sizes):
    return 0.0


def without_square(start, end, sizes):
    (a,), (b,), (g,), (s,) = start.latents, end.latents, start.gradients, sizes
    return -tf.norm(b - a - s * g, axis=-1) / (4 * s)


@pytest.mark.parametrize("log_move", [without_proposal, without_square])
def test_the_published_and_the_released_ratio_miss_the_target(log_move, monkeypatch):
    monkeypatch.setattr(mala, "_log_move", log_move)
    state, _ = chain(standard, [draws(20000)], [0.5], 60)
    assert variance_error(state.latents[0]) > 8


def covariance_error(step_sizes):
    """Returns the worst covariance error of chains started in `correlated`, in standard errors."""
    truth, num = np.linalg.inv(PRECISION), 20000
    start = noise.normal(noise.make_seed(1), [num, 3]) @ np.linalg.cholesky(truth).T
    state, _ = chain(correlated, tf.split(start, [2, 1], axis=1), step_sizes, 25)
    ends = np.concatenate(state.latents, axis=1)
    error = np.sqrt((np.outer(np.diag(truth), np.diag(truth)) + truth**2) / num)
    return np.abs((ends.T @ ends / num - truth) / error).max()


def test_layers_with_different_step_sizes_are_accepted_together(monkeypatch):
    assert covariance_error([0.1, 0.3]) < 4
    right = mala._log_move
    monkeypatch.setattr(mala, "_log_move", lambda a, b, sizes: right(a, b, [sizes[0]] * 2))
    assert covariance_error([0.1, 0.3]) > 8


# Refinement


def bimodal(x):
    """Returns E of 0.5 N(-1, 0.3^2) + 0.5 N(1, 0.3^2), for every number of an observation."""
    modes = tf.stack([(x - 1) ** 2, (x + 1) ** 2]) / (2 * 0.3**2)
    return -tf.reduce_sum(tf.reduce_logsumexp(-modes, axis=0), axis=[1, 2, 3])


def test_refinement_leaves_exp_of_minus_the_energy_invariant():
    num = 5000
    sign = tf.sign(noise.normal(noise.make_seed(3), [num, 2, 2, 1]))
    start = sign + 0.3 * noise.normal(noise.make_seed(4), [num, 2, 2, 1])
    end = Refinement(20, 0.03)(bimodal, start, SEED)
    assert end.shape == start.shape
    assert np.mean(end == start) < 0.01
    for power in (2, 4):  # moments of one number: 1 + 0.09, 1 + 6 0.09 + 3 0.09^2
        expected = {2: 1.09, 4: 1.5643}[power]
        error = np.std(start**power) / np.sqrt(4 * num)
        assert np.mean(end**power) == pytest.approx(expected, abs=4 * error)
    half = Refinement(20, 0.03)(lambda x: 0.5 * bimodal(x), start, SEED)
    assert abs(np.mean(half**2) - 1.09) > 10 * np.std(start**2) / np.sqrt(4 * num)  # power


def test_refinement_moves_samples_to_low_energy():
    start = tf.fill([2000, 1, 1, 1], 2.5)
    near = [np.mean(np.abs(np.abs(Refinement(k, 0.03)(bimodal, start, SEED)) - 1)) for k in (1, 40)]
    assert near[0] > 0.6 and near[1] == pytest.approx(0.3 * np.sqrt(2 / np.pi), abs=0.03)


def test_refinement_with_a_flat_energy_is_diffusion():
    """Every move is accepted, so the ends have the distribution N(start, 2 s K)."""
    start = tf.ones([20000, 1])
    end = Refinement(7, 0.05)(lambda x: 0.0 * x[:, 0], start, SEED).numpy()
    assert variance_error((end - 1) / np.sqrt(2 * 0.05 * 7)) < 4


@pytest.mark.parametrize(("num_steps", "step_size"), [(0, 0.1), (3, 0.0), (3, float("nan"))])
def test_bad_settings_of_refinement_raise_a_one_line_error(num_steps, step_size):
    with pytest.raises(InputError, match="at least one step") as error:
        Refinement(num_steps, step_size)
    assert "\n" not in str(error.value)
