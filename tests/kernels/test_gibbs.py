"""Restricted Boltzmann machines, their sweeps and weights, compared with enumeration."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, logsumexp

import binary_toy as toy
from enumerated import surprise, transition
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.kernels import gibbs
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.binary.rbm import GeometricPath, RestrictedBoltzmann

SEED = noise.make_seed(3)


@pytest.fixture
def float64():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_dtype_policy(before)


def make_step(path):
    return gibbs.make_step(path.hidden_logits, path.visible_logits, path.log_unnormalised)


def run(path, visible, controls, seed=SEED):
    """Runs a compiled chain; returns the last state, and the share of changed units [K, B]."""

    @tf.function
    def chain():
        return unroll(make_step(path), gibbs.init(visible), controls, seed)

    state, info = chain()
    return state, info.changed.numpy()


def base_draws(path, num):
    return gibbs.draw(tf.tile(path.base[None], [num, 1]), noise.make_seed(11))


def exact_draws(num):
    rows = np.random.default_rng(2).choice(1024, num, p=toy.PROBABILITY)
    return tf.constant(toy.STATES[rows], tf.float32)


# The machine


def test_a_machine_with_one_unit_has_hand_computed_values(float64):
    """W = log 5: Z = 8, p(z = 1) = 3/4; a decoder with p(x = 1 | z) = .9 and .2."""
    model = RestrictedBoltzmann(1, 1)
    model.couplings.assign([[np.log(5)]])
    log_f = model(tf.constant([[0.0], [1.0]], tf.float64)).numpy()
    np.testing.assert_allclose(log_f, np.log([2, 6]), rtol=1e-14)
    log_partition = logsumexp(log_f)
    assert log_partition == pytest.approx(2.079442, abs=5e-7)
    prior, likelihood = np.exp(log_f - log_partition), np.array([0.2, 0.9])
    assert prior[1] == pytest.approx(0.75)
    evidence = prior @ likelihood
    assert np.log(evidence) == pytest.approx(-0.321584, abs=5e-7)
    q, posterior = np.array([0.5, 0.5]), prior * likelihood / evidence
    assert q @ np.log(prior * likelihood / q) == pytest.approx(-1.001240, abs=1e-6)
    assert q @ np.log(q / posterior) == pytest.approx(0.679657, abs=1e-6)


def test_the_partition_function_of_the_toy_is_exact(float64):
    model = toy.make_model()
    log_f = model.log_unnormalised(tf.constant(toy.STATES)).numpy()
    assert logsumexp(log_f) == pytest.approx(19.380966345947, abs=1e-11)
    z, h = toy.STATES, toy.states(7)
    energies = (z @ toy.VISIBLE_BIAS)[:, None] + h @ toy.HIDDEN_BIAS + z @ toy.COUPLINGS @ h.T
    np.testing.assert_allclose(logsumexp(energies, axis=1), log_f, rtol=1e-12)
    assert float(GeometricPath(model, model.visible_bias).log_partition_base) == pytest.approx(
        13.143282, abs=5e-7
    )


def test_the_toy_has_the_expected_constants():
    """Also checks log p(x) - bound = KL(q || posterior), by enumeration."""
    log_joint = toy.log_likelihood() + toy.log_unnormalised() - toy.LOG_PARTITION
    log_evidence, log_q = logsumexp(log_joint), toy.log_posterior()
    assert log_evidence == pytest.approx(-3.448034, abs=5e-7)
    assert toy.bound() == pytest.approx(-8.836203, abs=5e-7)
    divergence = np.exp(log_q) @ (log_q - (log_joint - log_evidence))
    assert log_evidence - toy.bound() == pytest.approx(divergence, abs=1e-12)


def test_the_gradient_equals_that_of_the_bound(float64):
    """Compares E_q[-dF] + E_p[dF] with finite differences of the enumerated bound, for all W_ij."""
    model = toy.make_model()
    with tf.GradientTape() as tape:
        log_f = model(tf.constant(toy.STATES))
        phases = np.exp(toy.log_posterior()) - toy.PROBABILITY
        contrast = tf.reduce_sum(phases * log_f)
    gradient = tape.gradient(contrast, model.couplings.value).numpy()
    assert gradient[2, 3] == pytest.approx(0.03307872, abs=5e-9)
    step, differences = 1e-5, np.zeros([10, 7])
    for place in np.ndindex(10, 7):
        up, down = (toy.COUPLINGS.copy() for _ in range(2))
        up[place] += step
        down[place] -= step
        differences[place] = (toy.bound(up) - toy.bound(down)) / (2 * step)
    np.testing.assert_allclose(gradient, differences, atol=1e-8)


def test_without_couplings_the_machine_is_the_best_factorial_distribution(float64):
    codes = (np.random.default_rng(4).random((200, 5)) < [0.1, 0.3, 0.5, 0.7, 0.9]).astype(float)
    mean = codes.mean(axis=0)
    model = RestrictedBoltzmann(5, 3)
    model.couplings.assign(np.zeros([5, 3]))
    model.visible_bias.assign(np.log(mean / (1 - mean)))
    log_partition = logsumexp(model(tf.constant(toy.states(5))))
    likelihood = np.mean(model(tf.constant(codes))) - log_partition
    assert likelihood == pytest.approx(mean @ np.log(mean) + (1 - mean) @ np.log(1 - mean))


def test_a_new_machine_has_almost_no_couplings():
    model = RestrictedBoltzmann(100, 200)
    assert np.std(model.couplings) == pytest.approx(0.01, rel=4 / np.sqrt(2 * 20000))
    assert not np.any(model.visible_bias) and not np.any(model.hidden_bias)
    assert len(model.trainable_variables) == 3


def test_a_machine_without_units_raises_a_one_line_error():
    with pytest.raises(InputError, match="num_hidden 0: choose positive numbers") as error:
        RestrictedBoltzmann(3, 0)
    assert "\n" not in str(error.value)


# The path


def test_the_path_leads_from_the_base_to_the_model(float64):
    model, base = toy.make_model(), np.linspace(-1, 1, 10)
    path, z, h = GeometricPath(model, tf.constant(base)), tf.constant(toy.STATES), toy.states(7)
    h = tf.constant(h)
    start = path.log_unnormalised(z, 0.0).numpy()
    assert logsumexp(start) == pytest.approx(float(path.log_partition_base), abs=1e-12)
    np.testing.assert_allclose(start - start[0], toy.STATES @ base, atol=1e-12)
    assert not np.any(path.hidden_logits(z, 0.0))
    np.testing.assert_array_equal(path.visible_logits(h, 0.0), np.tile(base, [128, 1]))
    np.testing.assert_array_equal(path.log_unnormalised(z, 1.0), model(z))
    np.testing.assert_array_equal(path.hidden_logits(z, 1.0), model.hidden_logits(z))
    np.testing.assert_array_equal(path.visible_logits(h, 1.0), model.visible_logits(h))


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_two_half_sweeps_leave_the_distribution_at_beta_invariant(float64, beta):
    path = GeometricPath(toy.make_model(), tf.constant(np.linspace(-1, 1, 10)))
    beta = tf.constant(beta, tf.float64)
    log_f = path.log_unnormalised(tf.constant(toy.STATES), beta).numpy()
    distribution, sweep = np.exp(log_f - logsumexp(log_f)), transition(path, beta)
    assert np.abs(distribution @ sweep - distribution).sum() < 1e-12
    flow = distribution[:, None] * sweep
    assert np.abs(flow - flow.T).sum() < 1e-12
    other = path.log_unnormalised(tf.constant(toy.STATES), beta + 0.05).numpy()
    other = np.exp(other - logsumexp(other))
    assert np.abs(other @ sweep - other).sum() > 1e-3  # power


# The kernel


@pytest.mark.parametrize("num_visible", [10, 7])
def test_a_sweep_has_the_enumerated_distribution(num_visible):
    """Also checks layers of equal size, which could share their noise by mistake."""
    model = RestrictedBoltzmann(num_visible, 7)
    model.couplings.assign(toy.COUPLINGS[:num_visible])
    path = GeometricPath(model, tf.fill([num_visible], 0.5))
    row = 2**num_visible // 3
    start = tf.tile(tf.constant(toy.states(num_visible)[row : row + 1], tf.float32), [40000, 1])
    for beta in (0.5, 1.0):
        distribution = transition(path, beta)[row]
        state, info = run(path, start, tf.fill([1, 2], beta))
        assert surprise(state.visible, distribution) < 1
        np.testing.assert_allclose(info[0], np.mean(state.visible != start, axis=1), rtol=1e-6)
        other = run(path, start, tf.fill([1, 2], 0.8 * beta))[0]
        assert surprise(other.visible, distribution) > 1.2  # power


def test_many_sweeps_change_neither_the_distribution_nor_the_weights():
    path, start = GeometricPath(toy.make_model(), tf.zeros([10])), exact_draws(40000)
    state, changed = run(path, start, gibbs.sweeps(5))
    assert surprise(state.visible, toy.PROBABILITY) < 1
    assert not np.any(state.log_weight) and state.log_weight.dtype == tf.float64
    assert changed.shape == (5, 40000) and 0.1 < changed.mean() < 0.5
    hot = run(path, start, tf.fill([5, 2], 0.95))[0].visible
    assert surprise(hot, toy.PROBABILITY) > 1.2  # power


def test_chains_without_weights_have_the_same_states():
    path, start = GeometricPath(toy.make_model(), tf.zeros([10])), exact_draws(50)
    plain = gibbs.make_step(path.hidden_logits, path.visible_logits)
    light, _ = unroll(plain, gibbs.init(start), gibbs.annealing(4), SEED)
    full, _ = run(path, start, gibbs.annealing(4))
    np.testing.assert_array_equal(light.visible, full.visible)
    assert not np.any(light.log_weight) and np.all(full.log_weight != 0)


def test_without_couplings_each_unit_has_its_own_mean():
    model = toy.make_model()
    model.couplings.assign(np.zeros([10, 7]))
    state, _ = run(GeometricPath(model, tf.zeros([10])), tf.zeros([20000, 10]), gibbs.sweeps(2))
    mean = expit(toy.VISIBLE_BIAS)
    errors = (np.mean(state.visible, axis=0) - mean) / np.sqrt(mean * (1 - mean) / 20000)
    assert np.abs(errors).max() < 4
    shifted = expit(toy.VISIBLE_BIAS + 0.1)
    assert np.abs(np.mean(state.visible, axis=0) - shifted).max() > 4 * 0.5 / np.sqrt(20000)


def test_eager_and_compiled_sweeps_are_equal():
    path, start = GeometricPath(toy.make_model(), tf.zeros([10])), tf.ones([50, 10])

    def chain(z):
        return unroll(make_step(path), gibbs.init(z), gibbs.annealing(5), SEED)[0]

    eager, compiled = chain(start), tf.function(chain, jit_compile=True)(start)
    np.testing.assert_array_equal(eager.visible, compiled.visible)
    np.testing.assert_allclose(eager.log_weight, compiled.log_weight, rtol=1e-6)
    assert 0.1 < np.mean(eager.visible != start) < 0.9


def test_two_replicas_give_the_chains_of_one_replica(one_replica, two_replicas):
    ends = []
    for strategy in (one_replica, two_replicas):
        with strategy.scope():
            path = GeometricPath(toy.make_model(), tf.zeros([10]))
        num = 40 // strategy.num_replicas_in_sync

        @tf.function
        def chain(path=path, num=num):
            start = gibbs.init(tf.zeros([num, 10]))
            return unroll(make_step(path), start, gibbs.annealing(3), SEED)[0]

        parts = strategy.experimental_local_results(strategy.run(chain))
        ends.append([np.concatenate([p[i] for p in parts]) for i in range(2)])
    np.testing.assert_array_equal(ends[0][0], ends[1][0])
    np.testing.assert_allclose(ends[0][1], ends[1][1], rtol=1e-6)
    assert len(np.unique(ends[0][0][20:], axis=0)) > 5


# Annealed importance sampling


def log_mean(log_weights):
    return logsumexp(log_weights) - np.log(len(log_weights))


def relative_error(log_weights):
    """Returns the standard error of log mean w, to first order."""
    w = np.exp(log_weights - np.max(log_weights))
    return np.std(w) / np.mean(w) / np.sqrt(len(w))


def anneal(path, num_chains, num_steps):
    state, _ = run(path, base_draws(path, num_chains), gibbs.annealing(num_steps))
    return state.log_weight.numpy()


@pytest.mark.parametrize("num_steps", [1, 7])
def test_annealing_is_exact_without_couplings(num_steps):
    """Every increment is the same for all z, also with hidden biases."""
    model = toy.make_model()
    model.couplings.assign(np.zeros([10, 7]))
    path = GeometricPath(model, model.visible_bias.value)
    log_weights = anneal(path, 20, num_steps)
    exact = np.logaddexp(0, [*toy.VISIBLE_BIAS, *toy.HIDDEN_BIAS]).sum()
    assert np.ptp(log_weights) < 1e-12  # power: float32 has 1e-6
    assert float(path.log_partition_base) + log_weights[0] == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("base", [np.zeros(10), toy.VISIBLE_BIAS], ids=["zero", "biases"])
def test_annealing_finds_the_partition_function(base):
    path = GeometricPath(toy.make_model(), tf.constant(base, tf.float32))
    base_log_partition, spreads = float(path.log_partition_base), []
    for num_steps in (10, 100, 1000):
        log_weights = anneal(path, 2000, num_steps)
        error = abs(base_log_partition + log_mean(log_weights) - toy.LOG_PARTITION)
        assert error < 4 * relative_error(log_weights)
        spreads.append(np.std(log_weights))
    assert error < 0.01
    assert spreads[0] > 2 * spreads[1] > 4 * spreads[2]


def test_forward_and_reverse_annealing_bound_the_partition_function():
    path = GeometricPath(toy.make_model(), tf.zeros([10]))
    base_log_partition, num = float(path.log_partition_base), 5000
    forward = anneal(path, num, 10)
    reverse = run(path, exact_draws(num), gibbs.annealing(10)[::-1, ::-1])[0].log_weight.numpy()
    for log_weights, sign in ((forward, 1), (reverse, -1)):
        estimate = base_log_partition + sign * log_mean(log_weights)
        assert abs(estimate - toy.LOG_PARTITION) < 4 * relative_error(log_weights)
    low, high = base_log_partition + forward.mean(), base_log_partition - reverse.mean()
    assert low < toy.LOG_PARTITION - 0.1 and high > toy.LOG_PARTITION + 0.1
