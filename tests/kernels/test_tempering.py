"""Parallel tempering by enumeration: invariance, modes far apart, the normalising constant."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

import binary_toy as toy
from enumerated import surprise
from tf_shortrun.core import noise
from tf_shortrun.kernels import gibbs, tempering
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.binary.rbm import GeometricPath, RestrictedBoltzmann

SEED = noise.make_seed(3)
BETAS = tf.linspace(0.0, 1.0, 4)


def toy_path():
    model = toy.make_model()
    return GeometricPath(model, tf.constant(toy.VISIBLE_BIAS, tf.float32))


def log_prob(path, beta):
    return path.log_unnormalised(tf.constant(toy.STATES, tf.float32), beta).numpy()


def exact_draws(path, num, rng):
    """Returns draws of every temperature, [num, R, 10]."""
    draws = []
    for beta in BETAS.numpy():
        log_p = log_prob(path, beta)
        p = np.exp(log_p - logsumexp(log_p))
        draws.append(toy.STATES[rng.choice(len(p), num, p=p / p.sum())])
    return tf.constant(np.stack(draws, axis=1), tf.float32)


def kernel(path, log_prob_fn=None):
    log_prob_fn = log_prob_fn or path.log_unnormalised
    return tempering.make_step(path.hidden_logits, path.visible_logits, log_prob_fn, BETAS)


def ends(path, num=20_000, num_steps=4, **changes):
    start = exact_draws(path, num, np.random.default_rng(0))
    run = tf.function(
        lambda z: unroll(kernel(path, **changes), z, tempering.controls(num_steps), SEED)
    )
    z, info = run(start)
    shares = [
        surprise(z[:, r].numpy(), np.exp((f := log_prob(path, b)) - logsumexp(f)))
        for r, b in enumerate(BETAS.numpy())
    ]
    return shares, info


def test_every_temperature_keeps_its_distribution():
    shares, info = ends(toy_path())
    assert max(shares) < 1
    tried = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1], [0, 1, 0]], bool)
    swapped = np.mean(info.swapped, axis=1)
    assert np.all(swapped[~tried] == 0) and np.all((swapped[tried] > 0.1) & (swapped[tried] < 1))


def test_swaps_by_a_slightly_wrong_ratio_are_found():
    path = toy_path()
    shares, _ = ends(path, log_prob_fn=lambda z, beta: 0.8 * path.log_unnormalised(z, beta))
    assert max(shares) > 1


def test_the_swap_is_that_of_metropolis():
    """Of two chains whose states the second would like to exchange."""
    path = toy_path()
    z = exact_draws(path, 500, np.random.default_rng(1))
    moved, info = kernel(path)(z, 0, SEED)
    assert info.log_ratios.shape == (500, 3)
    # A state at a temperature after the step was there or at its neighbour after the sweep.
    swept, _ = tempering.make_step(
        path.hidden_logits,
        path.visible_logits,
        lambda z, b: b[:, 0] * 0.0 - np.inf * b[:, 0],
        BETAS,
    )(z, 2, SEED)
    swapped = np.array(info.swapped[:, 0], bool)
    np.testing.assert_array_equal(moved[:, 0][~swapped], swept[:, 0][~swapped])
    np.testing.assert_array_equal(moved[:, 0][swapped], swept[:, 1][swapped])
    np.testing.assert_array_equal(moved[:, 1][swapped], swept[:, 0][swapped])


def test_stepping_stones_give_the_partition_function():
    path = toy_path()
    _, info = ends(path, num=2000, num_steps=20)
    found = tempering.log_partition_ratio(info.log_ratios) + path.log_partition_base
    assert float(found) == pytest.approx(toy.LOG_PARTITION, abs=0.02)
    assert abs(float(path.log_partition_base) - toy.LOG_PARTITION) > 1  # it was no trivial sum


@pytest.fixture(scope="module")
def two_modes():
    """All bits 1 or all 0, equally likely, and almost nothing between."""
    model = RestrictedBoltzmann(8, 8)
    model.couplings.assign(np.full([8, 8], 1.5))
    model.visible_bias.assign(np.full(8, -6.0))
    model.hidden_bias.assign(np.full(8, -6.0))
    z = tf.constant(toy.states(8), tf.float32)
    log_p = model.log_unnormalised(z).numpy()
    p = np.exp(log_p - logsumexp(log_p))
    assert p[0] == pytest.approx(p[-1], rel=1e-3) and p[0] + p[-1] > 0.6
    return model, p, log_p


def test_tempered_chains_cross_between_modes_and_plain_ones_do_not(two_modes):
    model, p, log_p = two_modes
    path = GeometricPath(model, tf.zeros([8]))
    betas = tf.linspace(0.0, 1.0, 12)
    step = tempering.make_step(
        path.hidden_logits, path.visible_logits, path.log_unnormalised, betas
    )
    zeros = tf.zeros([2000, 12, 8])
    run = tf.function(lambda z: unroll(step, z, tempering.controls(200), SEED))
    z, info = run(zeros)
    many = z[:, -1].numpy().sum(axis=1) > 4
    share = p[toy.states(8).sum(axis=1) > 4].sum()
    assert np.mean(many) == pytest.approx(share, abs=4 * 0.5 / np.sqrt(2000))
    half = info.log_ratios[100:]
    found = tempering.log_partition_ratio(half) + path.log_partition_base
    assert float(found) == pytest.approx(logsumexp(log_p), abs=0.05)
    plain = gibbs.make_step(path.hidden_logits, path.visible_logits)
    stuck, _ = unroll(plain, gibbs.init(zeros[:, 0]), gibbs.sweeps(200), SEED)
    assert np.mean(stuck.visible.numpy().sum(axis=1) > 4) < 0.2 < share
