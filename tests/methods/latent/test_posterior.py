"""Tests of PosteriorDistance: closed forms, an exact sampler, samplers with a known error."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from scipy.stats import norm

import linear_gaussian as toy
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.kernels import hamiltonian
from tf_shortrun.methods.latent.posterior import PosteriorDistance, energy_distance
from tools.step_sizes import PRECISIONS

SEED = noise.make_seed(7)
NUM_IMAGES = 8
DATA = toy.dataset(NUM_IMAGES)
X = DATA.test.images.astype(np.float64)
EVALUATE = PosteriorDistance(
    num_images=NUM_IMAGES,
    num_draws=300,
    num_chains=4,
    num_burn_in=150,
    num_steps=150,
    max_leapfrog_steps=6,
    batch_size=NUM_IMAGES,
)


# Energy distance


def test_energy_distance_by_hand():
    chains, draws = np.array([[[0.0], [2.0]]]), np.array([[1.0], [4.0]])
    # 2 (1 + 4 + 1 + 2) / 4 - 2 - 3
    assert energy_distance(chains, draws) == pytest.approx(-1.0, abs=1e-12)
    plane = np.array([[[0.0, 0.0], [3.0, 4.0]]]), np.array([[0.0, 0.0], [3.0, 4.0]])
    assert energy_distance(*plane) == pytest.approx(2 * 2.5 - 5 - 5, abs=1e-12)


def repeat(num, make_chains, make_draws):
    """Returns mean and standard error of the distance over `num` repetitions."""
    rng = np.random.default_rng(0)
    found = [energy_distance(make_chains(rng), make_draws(rng)) for _ in range(num)]
    return np.mean(found), np.std(found) / np.sqrt(num)


@pytest.mark.parametrize(("mean", "std"), [(1.0, 1.0), (0.0, 2.0), (0.5, 0.3)])
def test_energy_distance_of_two_normals_in_closed_form(mean, std):
    total = np.sqrt(1 + std**2)
    across = total * np.sqrt(2 / np.pi) * np.exp(-(mean**2) / 2 / total**2)
    across += mean * (1 - 2 * norm.cdf(-mean / total))
    expected = 2 * across - (2 + 2 * std) / np.sqrt(np.pi)
    value, error = repeat(
        40,
        lambda rng: rng.normal(size=(50, 4, 1)),
        lambda rng: mean + std * rng.normal(size=(200, 1)),
    )
    assert abs(value - expected) < 4 * error < 0.3 * expected


def dependent(rng):
    """Returns four chains of 20 draws from N(0, 1), each 0.9 times the previous plus noise."""
    draws = [rng.normal(size=(4, 1))]
    for _ in range(19):
        draws.append(0.9 * draws[-1] + np.sqrt(1 - 0.9**2) * rng.normal(size=(4, 1)))
    return np.stack(draws)


def test_energy_distance_of_equal_distributions_is_zero_for_correlated_chains():
    value, error = repeat(600, dependent, lambda rng: rng.normal(size=(20, 1)))
    assert abs(value) < 4 * error < 0.06
    # With pairs within chains, as if all draws were independent, the estimate is biased.
    pooled, _ = repeat(
        200,
        lambda rng: dependent(rng).reshape(1, -1, 1),
        lambda rng: rng.normal(size=(20, 1)),
    )
    assert pooled > 8 * error


# Hamiltonian chains


@pytest.fixture(scope="module")
def whitened():
    """Returns (z - exact mean) * sqrt(precision) of 8 chains for each image: [N, C, B, d]."""
    (batch,) = DATA.test_batches(NUM_IMAGES)
    learner = toy.Learner()
    move = hamiltonian.make_posterior_move(learner, 6)
    start, step_size = hamiltonian.start(learner, batch, 8, SEED)
    settled, step_size = hamiltonian.burn_in(move, batch, start, step_size, 150, SEED + 1)
    latents, acceptance = hamiltonian.sample(move, batch, settled, step_size, 200, SEED + 2)
    assert [z.shape for z in latents] == [(200, 8, NUM_IMAGES, d) for d in toy.WIDTHS]
    assert np.mean(acceptance) == pytest.approx(hamiltonian.TARGET_ACCEPTANCE, abs=0.05)
    z = np.concatenate(latents, axis=-1).astype(np.float64)
    return (z - toy.posterior_mean(X)) * np.sqrt(PRECISIONS)


def test_chains_have_the_exact_mean(whitened):
    """Means of eight chains give a t statistic with variance 7 / 5."""
    means = whitened.mean(axis=0)
    error = means.std(axis=0, ddof=1) / np.sqrt(8)
    exact, wrong = (np.mean(((means.mean(axis=0) - shift) / error) ** 2) for shift in (0.0, 0.1))
    assert abs(exact - 7 / 5) < 4 * np.sqrt(7.84 / means[0].size) < 1.5
    assert wrong > 6


def test_chains_have_the_exact_covariance(whitened):
    products = np.einsum("ncbi,ncbj->cbij", whitened, whitened) / len(whitened)
    products = products.reshape(-1, *products.shape[2:])
    error = products.std(axis=0, ddof=1) / np.sqrt(len(products))
    excess = (products.mean(axis=0) - np.eye(len(error))) / error
    assert np.max(np.abs(excess)) < 4
    wrong = np.diagonal(products.mean(axis=0) - 1.2 * np.eye(len(error))) / np.diagonal(error)
    assert np.all(wrong < -4)


def test_random_trajectory_lengths_make_every_direction_mix():
    """Six leapfrog steps of size 2 sin(pi / 12) are half a period of N(0, 1): from z to -z."""
    size, start = float(2 * np.sin(np.pi / 12)), [tf.fill([4, 50, 1], 3.0)]

    def log_prob(z):
        return -0.5 * tf.reduce_sum(z**2, axis=-1)

    kernel = tfp.mcmc.HamiltonianMonteCarlo(log_prob, size, 6)
    fixed, _ = kernel.one_step(start, kernel.bootstrap_results(start), seed=SEED)
    np.testing.assert_allclose(fixed[0], -start[0], atol=1e-4)
    latents = start
    for k in range(20):
        latents, _ = hamiltonian.move(log_prob, latents, size, 6, noise.fold(SEED, k))
    assert np.mean(latents[0] ** 2) == pytest.approx(1.0, abs=4 * np.sqrt(2 / 200))


# The eval


@pytest.fixture(scope="module")
def exact():
    return EVALUATE(toy.Learner(), DATA, SEED)


def distance(shift, scale=1.0):
    """Returns the energy distance of `toy.Learner(shift, scale)` from the posterior, by draws."""
    rng = np.random.default_rng(0)
    std = 1 / np.sqrt(PRECISIONS)
    x, other_x, y, other_y = std * rng.normal(size=(4, 200_000, len(std)))
    across = np.linalg.norm(x - shift - scale * y, axis=1).mean()
    within = np.linalg.norm(x - other_x, axis=1) + scale * np.linalg.norm(y - other_y, axis=1)
    return 2 * across - within.mean()


def test_the_exact_sampler_has_distance_zero(exact):
    assert abs(exact["posterior_energy_distance"]) < 0.01
    assert exact["hmc_rhat"] < 1.1
    assert exact["hmc_acceptance"] == pytest.approx(0.8, abs=0.1)
    assert abs(exact["posterior_stein"]) < 0.01
    assert exact["hmc_ess"] > 100


@pytest.mark.parametrize("fault", [(0.1,), (0.0, 1.5)])
def test_samplers_with_a_known_error_have_their_distance(fault, exact):
    metrics = EVALUATE(toy.Learner(*fault), DATA, SEED)
    assert metrics["posterior_energy_distance"] == pytest.approx(distance(*fault), abs=0.01)
    assert distance(*fault) > 0.05
    assert metrics["posterior_stein"] > 10 * abs(exact["posterior_stein"])


def test_hmc_mse_equals_its_closed_form(exact):
    """E |x - z W|^2 / D with z from the posterior."""
    bias = np.mean((X - toy.posterior_mean(X) @ toy.W) ** 2)
    spread = np.trace(toy.W.T @ toy.COVARIANCE @ toy.W) / X.shape[1]
    assert exact["hmc_mse"] == pytest.approx(bias + spread, rel=0.05)
    assert spread > 0.1 * bias  # the error of the posterior mean alone would fail


class TwoIslands(toy.Learner):
    """A learner whose posterior has two distant narrow modes for any observation."""

    def log_joint(self, latents, batch):
        z = tf.concat(latents, 1)
        ways = [-20.0 * tf.reduce_sum((z - mode) ** 2, axis=1) for mode in (-2.0, 2.0)]
        return tf.reduce_logsumexp(ways, axis=0)


def test_chains_that_do_not_mix_have_a_large_rhat():
    metrics = EVALUATE(TwoIslands(), DATA, SEED)
    assert metrics["hmc_rhat"] > 2 and metrics["hmc_ess"] < 20


def test_metrics_have_a_protocol_and_are_reproducible_with_unequal_batches():
    evaluate = PosteriorDistance(3, 2, 2, 10, 4, 2, batch_size=2)
    metrics, protocol = evaluate(toy.Learner(), DATA, SEED), evaluate.protocol(DATA)
    assert metrics.keys() == protocol.keys()
    assert metrics == evaluate(toy.Learner(), DATA, SEED)
    assert explain(evaluate, metrics, DATA).keys() == metrics.keys()
    assert all("3 (equally spaced) of 8 test images of toy" in text for text in protocol.values())


def test_errors_are_one_line():
    with pytest.raises(InputError) as error:
        EVALUATE(object(), DATA, SEED)
    assert "leave PosteriorDistance out" in str(error.value)
    assert "\n" not in str(error.value)
    for name, count in (("num_images", 0), ("num_chains", 1), ("num_draws", 1), ("num_steps", 3)):
        with pytest.raises(InputError) as error:
            dataclasses.replace(EVALUATE, **{name: count})
        assert f"{name} is {count}: choose from {count + 1} on" in str(error.value)
