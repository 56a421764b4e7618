"""Tests of schedules, walks in both directions, their log weights, and running moments."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from linear_walk import Linear, has_mean, has_variance, log_normal, normal_batch
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.kernels import walk
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.kernels.walk import Heating, variance_ratio
from tf_shortrun.methods.walkback.corruption import NoiseTransition
from tf_shortrun.methods.walkback.moments import RunningMoments
from tf_shortrun.methods.walkback.networks import dense
from tf_shortrun.methods.walkback.trajectory import Walker
from tf_shortrun.methods.walkback.transition import GaussianTransition

SEED = noise.make_seed(0)


def copies(x, num):
    return tf.fill([num, 1], float(x))


def at_one(num_steps, num):
    return tf.ones([num_steps, num])


# Schedules


def test_heating_by_hand():
    schedule = Heating(max_temperature=8.0, max_still=3)
    columns = schedule.heating(tf.constant([0.0, 1.0, 3.0])).numpy().T
    assert columns.tolist() == [[0, 0, 0, 1, 2, 4], [0, 0, 1, 1, 2, 4], [1, 1, 1, 1, 2, 4]]


def test_cooling_reverses_heating_for_any_factor():
    schedule = Heating(max_temperature=20.0, max_still=0, factor=3.0)
    assert schedule.cooling().numpy().tolist() == [9, 3, 1]
    assert schedule.heating(tf.zeros([1]))[:, 0].numpy().tolist() == [1, 3, 9]


def test_the_spiral_schedule_has_its_number_of_steps():
    ratio = variance_ratio(np.sqrt(0.2342), 0.05)
    assert ratio == pytest.approx(93.68)
    assert Heating(ratio, 5).num_heating == 7


@pytest.mark.parametrize(("temperature", "factor", "steps"), [(8, 2, 3), (125, 5, 3), (126, 5, 4)])
def test_exact_powers_of_the_factor_need_their_exponent_of_steps(temperature, factor, steps):
    assert Heating(float(temperature), 0, float(factor)).num_heating == steps


@pytest.mark.parametrize("values", [(1.0, 0, 2.0), (2.0, -1, 2.0), (2.0, 0, 1.0)])
def test_bad_schedules_are_refused(values):
    with pytest.raises(InputError, match="^Heating[^\n]* choose [^\n]*$"):
        Heating(*values)


# Moves


def test_only_a_waiting_walk_keeps_its_state():
    walker = Walker(Linear(0.5, 1.0))
    temperatures = tf.constant([[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
    states = walker.away(tf.ones([2, 1]), temperatures, SEED).numpy()[..., 0]
    assert states.shape == (4, 2)
    assert (states[:3, 0] == 1).all() and states[3, 0] != 1
    assert (np.diff(states[:, 1]) != 0).all()


def test_waiting_steps_add_nothing_to_log_weights():
    walker = Walker(Linear(0.5, 1.0))
    data, waits = tf.constant([[0.3], [2.0]]), tf.zeros([4, 2])
    np.testing.assert_allclose(
        walker.log_weights(data, waits, SEED), log_normal(data[:, 0], 1.0), rtol=1e-6
    )
    states = walker.away(data, waits, SEED)
    assert not walker.log_back(states[:-1], states[1:], waits).numpy().any()


def test_waiting_steps_have_no_gradient():
    walker = Walker(Linear(0.5, 1.0))
    states, temperatures = tf.ones([3, 1, 1]), tf.constant([[0.0], [4.0]])
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(walker.log_back(states[:-1], states[1:], temperatures))
    assert tape.gradient(total, walker.operator.a).numpy() == pytest.approx(0.5 / 4)


def test_the_clamp_is_applied_after_every_move():
    def move(position, temperatures, seed):
        del seed
        return position + temperatures[:, None]

    step = walk.make_step(move, clamp=lambda s: tf.minimum(s, 4.0), record=True)
    controls = tf.constant([[1.0], [0.0], [2.0], [4.0]])
    _, info = unroll(step, walk.WalkState(tf.ones([1, 1])), controls, SEED)
    assert info.position.numpy().ravel().tolist() == [2, 2, 4, 4]


def cooled_variance(a, variance, temperatures, start):
    for temperature in temperatures:
        start = a**2 * start + temperature * variance
    return start


@pytest.mark.parametrize("temperatures", [[1.0] * 5, [16.0, 8.0, 4.0, 2.0, 1.0]])
def test_the_end_of_a_cooling_walk_has_the_exact_variance(temperatures):
    a, v, m = 0.8, 0.3, 2.0

    def ends(variance):
        start = normal_batch(20_000, m)["image"]
        return Walker(Linear(a, variance)).back(start, tf.constant(temperatures), SEED)

    expected = cooled_variance(a, v, temperatures, m)
    if temperatures[0] == 1.0:
        assert expected == pytest.approx(a**10 * m + v * sum(a ** (2 * j) for j in range(5)))
    assert has_mean(ends(v)[:, 0], 0.0) and has_variance(ends(v), expected)
    assert not has_variance(ends(1.1 * v), expected)


def test_a_cooling_walk_starts_from_the_running_moments():
    walker = Walker(Linear(0.5, 1.0))
    walker.moments.state["mean"].assign([1.0])
    walker.moments.state["square"].assign([5.0])
    drawn = walker.start(20_000, SEED).numpy()[:, 0]
    assert has_mean(drawn, 1.0) and has_variance(drawn - 1.0, 4.0)
    assert not has_variance(drawn - 1.0, 4.3)


def test_another_operator_can_make_the_heating_walk():
    walker = Walker(Linear(0.0, 1e-6), destruction=NoiseTransition((1,), 2.0))
    away = walker.away(copies(1.0, 20_000), at_one(1, 20_000), SEED)[-1, :, 0].numpy()
    assert has_mean(away, 1.0) and has_variance(away - 1.0, 4.0)
    back = walker.back(tf.ones([100, 1]), tf.ones([1]), SEED)
    assert np.abs(back).max() < 0.01


# Weights


@pytest.mark.parametrize("num_steps", [1, 4, 20])
def test_every_weight_of_a_reversible_chain_equals_the_density(num_steps):
    a, m, x, num = 0.5, 1.0, 1.0, 50
    walker = Walker(Linear(a, (1 - a**2) * m))
    weights = walker.log_weights(copies(x, num), at_one(num_steps, num), SEED)
    np.testing.assert_allclose(weights, -1.418939, atol=1e-5)
    worse = Walker(Linear(a, 1.1 * (1 - a**2) * m))
    assert np.std(worse.log_weights(copies(x, num), at_one(num_steps, num), SEED)) > 0.01


def test_one_irreversible_step_by_hand():
    num, log_p, bound = 100_000, -1.030510, -1.043939
    walker = Walker(Linear(0.5, 1.0))
    weights = walker.log_weights(copies(0.0, num), at_one(1, num), SEED).numpy()
    assert log_normal(0.0, 0.25 + 1.0) == pytest.approx(log_p, abs=1e-6)
    assert has_mean(weights, bound) and not has_mean(weights, log_p)
    assert has_mean(np.exp(weights), np.exp(log_p)) and not has_mean(np.exp(weights), np.exp(bound))


def test_importance_estimates_increase_from_the_bound_to_the_true_value():
    groups, draws, log_p = 2_000, 64, -1.030510
    walker = Walker(Linear(0.5, 1.0))
    num = groups * draws
    weights = walker.log_weights(copies(0.0, num), at_one(1, num), SEED).numpy()
    weights = weights.reshape(groups, draws).astype(np.float64)
    means = [np.log(np.exp(weights[:, :s]).mean(axis=1)).mean() for s in (1, 4, 64)]
    assert -1.046 < means[0] < means[1] < means[2] < log_p + 5e-4
    assert means[2] == pytest.approx(log_p, abs=1e-3)


def test_log_weights_use_the_density_of_a_separate_destruction_operator():
    a, v, sigma, x, num = 0.6, 0.5, 1.5, 0.7, 50_000
    walker = Walker(Linear(a, v), destruction=NoiseTransition((1,), sigma))
    weights = walker.log_weights(copies(x, num), at_one(1, num), SEED).numpy()
    truth = np.exp(log_normal(x, a**2 + v))
    # E_q ln p* + ln p(x | s) - ln q(s | x) with s ~ N(x, sigma^2), term by term
    last = log_normal(x, 1.0) - 0.5 * sigma**2
    back = log_normal(x - a * x, v) - 0.5 * a**2 * sigma**2 / v
    away = -0.5 * (np.log(2 * np.pi * sigma**2) + 1)
    assert has_mean(np.exp(weights), truth) and has_mean(weights, last + back - away)
    assert not has_mean(np.exp(weights), 1.05 * truth)


def curved_operator():
    """Returns a nonlinear operator: its width depends on the state, its mean also on T."""
    keras.utils.set_random_seed(1)
    operator = GaussianTransition((1,), dense([8], "tanh", True), sigma=0.6, min_sigma=0.3)
    for k, weight in enumerate(operator.trainable_variables):
        weight.assign_add(0.5 * noise.normal(noise.fold(SEED, k), [1, *weight.shape])[0])
    return operator


def by_quadrature(operator, x, temperatures):
    """Returns p(x) = int .. int p*(s_K) prod_t p_{T_t}(s_{t-1} | s_t), on a grid of each s."""
    grid = np.linspace(-9, 9, 601, dtype=np.float32)
    density = np.exp(log_normal(grid.astype(np.float64), 1.0))
    for k, temperature in reversed(list(enumerate(temperatures))):
        distribution = operator.transition(grid[:, None], tf.fill([len(grid)], temperature))
        before = grid[:, None] if k else np.array([[x]], np.float32)
        kernel = np.exp(distribution.log_prob(before[:, None]).numpy().astype(np.float64))
        density = kernel @ density * (grid[1] - grid[0])
    return density.item()


def test_importance_sampling_agrees_with_quadrature():
    operator, x, num = curved_operator(), 0.4, 100_000
    walker = Walker(operator)

    def weights(temperatures):
        controls = tf.constant(temperatures)[:, None] * tf.ones([num])
        return np.exp(walker.log_weights(copies(x, num), controls, SEED).numpy())

    means = operator.transition(tf.constant([[-2.0], [0.0], [2.0]]), tf.ones([3])).mean().numpy()
    assert np.abs(np.diff(means, n=2, axis=0)).item() > 0.05, "the operator must be nonlinear"
    for temperatures in ([1.0], [1.0, 3.0]):
        assert has_mean(weights(temperatures), by_quadrature(operator, x, temperatures))
    assert not has_mean(weights([1.0, 3.0]), by_quadrature(operator, x, [3.0, 1.0]))


# Moments


def test_constant_batches_keep_their_moments_and_the_first_replaces_the_initial_values():
    moments = RunningMoments((2,))
    assert moments.mean.numpy().tolist() == [0, 0] and moments.variance.numpy().tolist() == [1, 1]
    states = tf.constant([[1.0, -2.0], [3.0, -2.0]])
    for _ in range(150):
        moments.update(states)
        np.testing.assert_allclose(moments.mean, [2.0, -2.0], rtol=1e-5)
        np.testing.assert_allclose(moments.variance, [1.0, 1e-6], rtol=1e-4, atol=1e-5)


def test_first_batches_have_equal_weight_and_later_old_batches_decay():
    moments = RunningMoments((1,), momentum=0.75)
    for value, expected in ((8.0, 8.0), (0.0, 4.0), (1.0, 3.0), (7.0, 4.0), (8.0, 5.0)):
        moments.update(tf.fill([2, 1], value))
        np.testing.assert_allclose(moments.mean, [expected], rtol=1e-6)


def test_two_replicas_have_the_moments_of_the_whole_batch(two_replicas):
    states = noise.normal(SEED, [8, 2]) * [1.0, 3.0] + [0.5, 2.0]
    alone = RunningMoments((2,))
    with two_replicas.scope():
        shared = RunningMoments((2,))
    halves = two_replicas.experimental_distribute_values_from_function(
        lambda context: states[4 * context.replica_id_in_sync_group :][:4]
    )
    for _ in range(3):
        alone.update(states)
        two_replicas.run(shared.update, args=(halves,))
    np.testing.assert_allclose(shared.mean, alone.mean, rtol=1e-5)
    np.testing.assert_allclose(shared.variance, alone.variance, rtol=1e-5)
    np.testing.assert_allclose(alone.variance, np.var(states, axis=0), rtol=1e-4)
    assert shared.state["count"].numpy() == 3
