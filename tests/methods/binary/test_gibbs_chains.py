"""Tests of persistent and new Gibbs chains, of the running mean of codes, and of `descend`."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

import binary_toy as toy
from enumerated import bernoulli, surprise, transition
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimization import descend
from tf_shortrun.kernels import gibbs
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.binary.code_mean import CodeMean
from tf_shortrun.methods.binary.gibbs_chains import PersistentChains, sample, sweep_of
from tf_shortrun.methods.binary.rbm import GeometricPath

SEEDS = noise.split(noise.make_seed(4), 6)


def built(num_chains, num_sweeps):
    """Returns persistent chains of the toy, and the toy."""
    chains, prior = PersistentChains(num_chains, num_sweeps), toy.make_model()
    chains.build(prior)
    return chains, prior


def by_hand(prior, start, num_sweeps, seed):
    """Returns the ends of chains, and the share of changed bits."""
    start = gibbs.init(tf.convert_to_tensor(start))
    state, info = unroll(sweep_of(prior), start, gibbs.sweeps(num_sweeps), seed)
    return state.visible.numpy(), np.mean(info.changed)


def on_replicas(strategy, function, *args):
    """Returns the compiled results of all replicas, stacked, for each output."""
    results = strategy.run(tf.function(function), args)
    return [np.stack(strategy.experimental_local_results(part)) for part in results]


# Persistent chains


def test_initial_chains_have_fair_bits():
    chains, _ = built(2000, 1)
    bits = chains.state["chains"].numpy()
    assert bits.shape == (2000, 10) and set(np.unique(bits)) == {0, 1}
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 4 * 0.5 / np.sqrt(2000)
    assert len(np.unique(bits, axis=0)) > 700  # 1024 states exist; 879 are expected


@pytest.mark.parametrize("num_sweeps", [1, 3])
def test_chains_continue_from_their_last_state(num_sweeps):
    chains, prior = built(50, num_sweeps)
    start = chains.state["chains"].numpy()
    for seed in SEEDS[:2]:
        ends, changed = chains.move(prior, seed)
        expected, share = by_hand(prior, start, num_sweeps, seed)
        np.testing.assert_array_equal(ends, expected)
        np.testing.assert_array_equal(chains.state["chains"], expected)
        assert float(changed) == pytest.approx(share, abs=1e-6) and 0.1 < share < 0.9
        again, _ = by_hand(prior, start, num_sweeps, SEEDS[2])
        assert np.any(again != expected)
        start = expected


def test_chains_converge_to_the_prior_after_many_moves():
    """They do not after one sweep, and not to the prior of other couplings."""
    chains, prior = built(40000, 10)
    move = tf.function(lambda seed: chains.move(prior, seed)[0])
    assert surprise(by_hand(prior, chains.state["chains"], 1, SEEDS[0])[0], toy.PROBABILITY) > 2
    for seed in SEEDS:
        ends = move(seed)
    assert surprise(ends, toy.PROBABILITY) < 1
    hot = toy.log_unnormalised(0.95 * toy.COUPLINGS)
    hot = np.exp(hot) / np.exp(hot).sum()
    assert surprise(ends, hot) > 1.2  # power of the check


def test_chains_follow_a_prior_that_changes():
    chains, prior = built(20000, 2)
    move = tf.function(lambda seed: chains.move(prior, seed)[0])
    for couplings in (toy.COUPLINGS, np.zeros([10, 7])):
        prior.couplings.assign(couplings)
        ends = move(SEEDS[0])
    mean = expit(toy.VISIBLE_BIAS)
    errors = (np.mean(ends, axis=0) - mean) / np.sqrt(mean * (1 - mean) / 20000)
    assert np.abs(errors).max() < 4
    shifted = (np.mean(ends, axis=0) - expit(toy.VISIBLE_BIAS + 0.1)) / 0.5 * np.sqrt(20000)
    assert np.abs(shifted).max() > 4  # power of the check


def test_two_replicas_move_the_same_chains_as_one(one_replica, two_replicas):
    kept, ends, changed = [], [], []
    for strategy in (one_replica, two_replicas):
        with strategy.scope():
            chains, prior = built(40, 2)
        for seed in SEEDS[:3]:
            parts, shares = on_replicas(strategy, lambda s, c=chains, p=prior: c.move(p, s), seed)
        copies = strategy.experimental_local_results(chains.state["chains"])
        for copy in copies:
            np.testing.assert_array_equal(copy, copies[0])
        assert parts.shape == (len(copies), 40 // len(copies), 10)
        kept.append(copies[0].numpy())
        ends.append(np.concatenate(parts))
        changed.append(shares.mean())
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(kept[0], kept[1])
    np.testing.assert_array_equal(kept[0], ends[0])
    assert changed[0] == pytest.approx(changed[1], abs=1e-6)
    assert np.any(ends[0][:20] != ends[0][20:])


@pytest.mark.parametrize("num_chains, num_sweeps", [(0, 1), (1, 0), (-2, 3)])
def test_bad_counts_are_refused_in_one_line(num_chains, num_sweeps):
    message = f"num_chains is {num_chains}, num_sweeps {num_sweeps}: choose positive"
    with pytest.raises(InputError, match=message) as error:
        PersistentChains(num_chains, num_sweeps)
    assert "\n" not in str(error.value)


def test_chains_that_replicas_cannot_share_are_refused_in_one_line(two_replicas):
    message = "2 replicas cannot share 3 chains: choose a multiple"
    with two_replicas.scope(), pytest.raises(InputError, match=message) as error:
        built(3, 1)
    assert "\n" not in str(error.value)


# New chains


def toy_path():
    return GeometricPath(toy.make_model(), tf.linspace(-1.0, 1.0, 10))


def test_samples_have_the_distribution_of_the_prior():
    path = toy_path()
    draw = tf.function(lambda num: sample(path, num, 60, SEEDS[0]))
    draws = draw(tf.constant(40000)).numpy()
    assert draws.shape == (40000, 10) and set(np.unique(draws)) == {0, 1}
    assert surprise(draws, toy.PROBABILITY) < 1
    other = toy.log_unnormalised(0.95 * toy.COUPLINGS)
    assert surprise(draws, np.exp(other) / np.exp(other).sum()) > 1.2  # power of the check


def test_few_sweeps_have_the_distribution_of_their_schedule():
    """From independent bits, 2 sweeps lead to beta = 1 and 2 stay there, by enumeration.

    The couplings are doubled, since chains of the toy itself forget their schedule too soon.
    """
    path = toy_path()
    path.model.couplings.assign(2 * toy.COUPLINGS)
    start = bernoulli(path.base[None], toy.STATES)[0]
    half, whole = (transition(path, beta) for beta in (0.5, 1.0))
    draws = sample(path, 100000, 4, SEEDS[1])
    distribution = start @ half @ whole @ whole @ whole
    assert surprise(draws, distribution) < 1
    for other in (start @ whole @ whole @ whole @ whole, start @ half @ whole @ whole):
        ratio = np.log(distribution / other)
        of_draws = ratio[toy.index(draws)]
        error = np.std(of_draws) / np.sqrt(len(of_draws))
        assert abs(of_draws.mean() - distribution @ ratio) < 4 * error
        assert abs(of_draws.mean() - other @ ratio) > 8 * error  # power of the check


def test_a_sample_does_not_depend_on_their_number():
    few, many = (sample(toy_path(), num, 6, SEEDS[0]).numpy() for num in (5, 20))
    np.testing.assert_array_equal(few, many[:5])
    assert len(np.unique(many, axis=0)) > 10
    assert np.any(sample(toy_path(), 20, 6, SEEDS[1]) != many)


# The mean of codes


def test_the_mean_of_codes_decays_from_its_initial_value():
    """The mean is m + (1/2 - m) 0.99^n after n updates with codes of mean m."""
    codes = np.random.default_rng(0).integers(0, 2, (3, 20, 4)).astype(np.float32)
    mean, codes_mean = CodeMean(4), codes.mean(axis=(0, 1))
    np.testing.assert_array_equal(mean.value, np.full(4, 0.5))
    np.testing.assert_array_equal(mean.log_odds, np.zeros(4))
    for _ in range(30):
        mean.follow(tf.constant(codes))
    expected = codes_mean + (0.5 - codes_mean) * 0.99**30
    np.testing.assert_allclose(mean.value, expected, atol=1e-6)
    np.testing.assert_allclose(expit(mean.log_odds), expected, atol=1e-6)
    assert np.abs(expected - 0.5).min() > 1e-4


def test_log_odds_of_constant_bits_are_finite():
    mean = CodeMean(3)
    mean.value.assign([0.0, 0.25, 1.0])
    expected = [-np.log(999), -np.log(3), np.log(999)]
    np.testing.assert_allclose(mean.log_odds, expected, rtol=1e-4)


def test_the_mean_of_codes_is_over_all_replicas(one_replica, two_replicas):
    codes = np.random.default_rng(0).integers(0, 2, (2, 12, 4)).astype(np.float32)
    values = []
    for strategy in (one_replica, two_replicas):
        with strategy.scope():
            mean = CodeMean(4)
        num = 12 // strategy.num_replicas_in_sync

        @tf.function
        def follow(mean=mean, num=num):
            first = tf.distribute.get_replica_context().replica_id_in_sync_group * num
            mean.follow(tf.constant(codes)[:, first : first + num])

        strategy.run(follow)
        copies = strategy.experimental_local_results(mean.value)
        np.testing.assert_array_equal(copies[0], copies[-1])
        values.append(copies[0].numpy())
    np.testing.assert_allclose(values[0], values[1], atol=1e-7)
    np.testing.assert_allclose(values[0], 0.495 + 0.01 * codes.mean(axis=(0, 1)), atol=1e-6)
    first_half = 0.495 + 0.01 * codes[:, :6].mean(axis=(0, 1))
    assert np.abs(values[0] - first_half).max() > 1e-4  # power of the check


# The optimizer step


def test_descend_uses_the_mean_gradient_of_replicas(one_replica, two_replicas):
    """The loss mean_b (w.x_b)^2 / 2 has the gradient mean_b (w.x_b) x_b over all examples."""
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    start = np.float32([0.5, -1.0, 2.0])
    expected = start - 0.1 * np.mean((x @ start)[:, None] * x, axis=0)
    for strategy in (one_replica, two_replicas):
        with strategy.scope():
            weights = keras.Variable(start)
            optimizer = keras.optimizers.SGD(0.1)
            optimizer.build([weights])
        num = 8 // strategy.num_replicas_in_sync

        @tf.function
        def update(weights=weights, optimizer=optimizer, num=num):
            first = tf.distribute.get_replica_context().replica_id_in_sync_group * num
            with tf.GradientTape() as tape:
                scores = tf.linalg.matvec(tf.constant(x)[first : first + num], weights)
                loss = tf.reduce_mean(scores**2) / 2
            descend(optimizer, [weights], loss, tape)

        strategy.run(update)
        np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-5)
        assert int(optimizer.iterations.numpy()) == 1
    assert np.abs(expected - start).min() > 0.01
