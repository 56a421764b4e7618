"""Log-likelihoods, compared with the exact values of a linear-Gaussian model."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import linear_gaussian as toy
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.evals import subset
from tf_shortrun.evals.likelihood import AnnealedSampling, ImportanceSampling, summarize
from tf_shortrun.kernels import annealing, hamiltonian

SEED = noise.make_seed(7)
NUM_IMAGES, NUM_CHAINS = 8, 32
DATA = toy.dataset(NUM_IMAGES)
X = DATA.test.images.astype(np.float64)
EXACT = toy.log_likelihood(X)
MOVE = annealing.make_move(toy.Learner(), 3)


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


# Which images


def test_a_subset_is_equally_spaced_in_the_split():
    data = toy.dataset(100)
    assert subset.spread(data, 4).test.labels.tolist() == [0, 33, 66, 99]
    assert subset.spread(data, 1).test.labels.tolist() == [0]
    assert subset.spread(data, 1000).test.labels.tolist() == list(range(100))
    assert subset.phrase(data, 4) == "4 (equally spaced) of 100 test images of toy"
    assert subset.phrase(data, 1000) == "all 100 test images of toy"


# Importance sampling


def test_the_summary_has_hand_computed_values():
    # Weights 1 and 3: mean 2, mean log half of log 3, (1 + 3)^2 / (1 + 9).
    expected = [[np.log(2.0)], [np.log(3.0) / 2], [1.6]]
    draws = np.log([[1.0], [3.0]])
    np.testing.assert_allclose(summarize(draws), expected, rtol=1e-12)
    far = summarize(iter(draws - 1e4))  # exp(-1e4) is 0 in all float types
    np.testing.assert_allclose(far, np.add(expected, [[-1e4], [-1e4], [0]]), rtol=1e-9)


def test_the_exact_posterior_has_equal_weights():
    metrics = ImportanceSampling(NUM_IMAGES, 3, batch_size=5)(toy.Learner(), DATA, SEED)
    assert metrics["log_likelihood/importance"] == pytest.approx(EXACT.mean(), abs=1e-4)
    assert metrics["bound"] == pytest.approx(EXACT.mean(), abs=1e-4)
    assert metrics["importance_ess"] == pytest.approx(3.0, rel=1e-6)


def test_importance_sampling_with_a_wide_proposal_agrees_with_closed_forms():
    num, variance = 400, 1.5
    evaluate = ImportanceSampling(NUM_IMAGES, num, batch_size=NUM_IMAGES)
    metrics = evaluate(toy.Learner(scale=np.sqrt(variance)), DATA, SEED)
    d = len(toy.W)
    share = (variance / np.sqrt(2 * variance - 1)) ** -d  # (E w)^2 / E w^2 = 0.62
    error = np.sqrt((1 / share - 1) / num / NUM_IMAGES)
    assert abs(metrics["log_likelihood/importance"] - EXACT.mean()) < 4 * error < 0.06
    kl = 0.5 * d * (variance - 1 - np.log(variance))  # 0.38
    spread = np.sqrt(0.5 * d * (variance - 1) ** 2 / num / NUM_IMAGES)
    assert abs(metrics["bound"] - (EXACT.mean() - kl)) < 4 * spread < 0.08
    assert metrics["importance_ess"] / num == pytest.approx(share, rel=0.1)


def test_importance_sampling_is_a_lower_bound_that_rises_with_the_draws():
    learner = toy.Learner(shift=0.5)
    found = [
        ImportanceSampling(NUM_IMAGES, num, NUM_IMAGES)(learner, DATA, SEED) for num in (1, 20, 400)
    ]
    values = [metrics["log_likelihood/importance"] for metrics in found]
    assert values[0] + 2 < values[1] < values[2] - 1 < EXACT.mean() - 2
    assert values[0] == pytest.approx(found[0]["bound"], abs=1e-9)
    assert all(metrics["importance_ess"] < 20 for metrics in found)


# Annealed importance sampling


def batch():
    (only,) = DATA.test_batches(NUM_IMAGES)
    return only


def anneal(num_steps):
    return annealing.anneal(MOVE, toy.Learner(), batch(), NUM_CHAINS, num_steps, SEED)


def weigh(step_size, move, power=3):
    """Runs 100 moves with one step size for all temperatures."""
    betas = np.linspace(0, 1, 101) ** power
    start, _ = hamiltonian.start(toy.Learner(), batch(), NUM_CHAINS, SEED)
    sizes = [tf.fill([1, NUM_IMAGES, 1], step_size)] * 100
    return annealing.weigh(move, batch(), start, betas, sizes, noise.fold(SEED, 1))


def estimate(log_weights):
    """Returns the mean over images of the log-likelihood, and its standard error."""
    weights = np.exp(log_weights - np.max(log_weights, axis=0))
    errors = np.std(weights, axis=0) / np.mean(weights, axis=0) / np.sqrt(len(weights))
    return summarize(log_weights)[0].mean(), np.sqrt(np.sum(errors**2)) / NUM_IMAGES


@pytest.fixture(scope="module")
def long():
    return anneal(200)


def test_annealing_finds_the_exact_value(long):
    value, error = estimate(long.log_weights)
    assert abs(value - EXACT.mean()) < 4 * error < 0.4
    assert long.log_weights.shape == long.acceptance.shape == (NUM_CHAINS, NUM_IMAGES)
    assert long.acceptance.mean() == pytest.approx(hamiltonian.TARGET_ACCEPTANCE, abs=0.03)


def test_the_log_weight_is_a_lower_bound_that_becomes_tight_with_more_steps(long):
    gaps = [EXACT.mean() - anneal(num).log_weights.mean() for num in (5, 40)]
    gaps.append(EXACT.mean() - long.log_weights.mean())
    assert gaps[0] > 2 * gaps[1] > 4 * gaps[2] > 0
    assert estimate(anneal(5).log_weights)[0] < EXACT.mean() - 2  # five steps are clearly too few


class Reckless:
    """A kernel of Hamiltonian moves that accepts all moves."""

    def __init__(self, *settings):
        self.kernel = tfp.mcmc.UncalibratedHamiltonianMonteCarlo(*settings)
        self.bootstrap_results = self.kernel.bootstrap_results

    def one_step(self, latents, results, seed):
        latents, _ = self.kernel.one_step(latents, results, seed)
        return latents, types.SimpleNamespace(log_accept_ratio=tf.zeros(latents[0].shape[:2]))


def test_without_rejection_the_value_is_wrong(monkeypatch):
    value, error = estimate(weigh(0.4, MOVE).log_weights)
    assert abs(value - EXACT.mean()) < 4 * error < 0.5
    monkeypatch.setattr(hamiltonian.tfp.mcmc, "HamiltonianMonteCarlo", Reckless)
    reckless = weigh(0.4, annealing.make_move(toy.Learner(), 3))
    assert np.all(reckless.acceptance == 1)
    value, error = estimate(reckless.log_weights)
    assert value < EXACT.mean() - 2 < EXACT.mean() - 8 * error


def test_a_poor_step_size_changes_the_acceptance_and_the_value():
    large, small = weigh(1.0, MOVE), weigh(0.01, MOVE)
    assert large.acceptance.mean() < 0.5 < 0.999 < small.acceptance.mean()
    for poor in (large, small):
        assert poor.log_weights.mean() < weigh(0.3, MOVE).log_weights.mean() - 5


def test_the_sampler_of_tfp_still_accepts_by_the_previous_density():
    """If this test fails, the sampler of TFP can replace `annealing.weigh`."""
    learner = toy.Learner()
    log_prior = hamiltonian.over_chains(lambda z, _: learner.log_prior(z), batch())
    _, log_weights, _ = tf.function(tfp.mcmc.sample_annealed_importance_chain, autograph=False)(
        100,
        log_prior,
        hamiltonian.over_chains(learner.log_joint, batch()),
        hamiltonian.start(learner, batch(), NUM_CHAINS, SEED)[0],
        lambda log_prob: tfp.mcmc.HamiltonianMonteCarlo(log_prob, 0.2, 3),
        seed=SEED,
    )
    ours = weigh(0.2, MOVE, power=1).log_weights
    assert ours.mean() < EXACT.mean()
    assert np.mean(log_weights) < ours.mean() - 20


def test_annealed_sampling_works_with_unequal_batches_and_without_inference():
    evaluate = AnnealedSampling(NUM_IMAGES, NUM_CHAINS, 100, 3, batch_size=5)
    metrics = evaluate(toy.Learner(shift=np.nan), DATA, SEED)
    assert metrics["log_likelihood/ais"] == pytest.approx(EXACT.mean(), abs=0.5)
    assert metrics["ais_acceptance"] == pytest.approx(0.8, abs=0.05)


# Both


def test_images_are_equally_spaced_and_all_are_used():
    class TellsLabel:
        def log_weights(self, batch, seed):
            return tf.cast(batch["label"], tf.float32)

    data = toy.dataset(100)
    for num, expected in ((3, (0 + 49 + 99) / 3), (1000, 49.5)):
        metrics = ImportanceSampling(num, 2, batch_size=7)(TellsLabel(), data, SEED)
        assert metrics["bound"] == pytest.approx(expected, rel=1e-6)


EVALS = [ImportanceSampling(2, 4, 2), AnnealedSampling(2, 3, 4, 1, 2)]


@pytest.mark.parametrize("evaluate", EVALS)
def test_every_number_has_a_sentence_and_repeats(evaluate):
    metrics, protocol = evaluate(toy.Learner(), DATA, SEED), evaluate.protocol(DATA)
    assert metrics.keys() == protocol.keys()
    assert metrics == evaluate(toy.Learner(), DATA, SEED)
    assert explain(evaluate, metrics, DATA).keys() == metrics.keys()
    assert all("2 (equally spaced) of 8 test images of toy" in text for text in protocol.values())


@pytest.mark.parametrize("evaluate", EVALS)
def test_errors_of_evals_are_one_line(evaluate):
    with pytest.raises(InputError) as error:
        evaluate(object(), DATA, SEED)
    assert f"leave {type(evaluate).__name__} out" in one_line(error)
    with pytest.raises(InputError) as error:
        dataclasses.replace(evaluate, num_images=0)
    assert "num_images is 0" in one_line(error)
