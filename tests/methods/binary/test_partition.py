"""Tests of forward and reverse estimates of log Z, and of likelihoods, by enumeration."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_expit, logit, logsumexp
from scipy.stats import chi2

import binary_toy as toy
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import LacksPartition
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.evals.likelihood import ImportanceSampling
from tf_shortrun.kernels import gibbs
from tf_shortrun.methods.binary.annealed_chains import AnnealedChains
from tf_shortrun.methods.binary.partition import (
    Annealing,
    Partition,
    PartitionedLikelihood,
)
from tf_shortrun.methods.binary.rbm import GeometricPath

SEED = noise.make_seed(5)
ALL_X = toy.states(6)[[6, 0, 63, 21, 40]]  # the observation of the toy is the first


class Learner:
    """The toy with exact draws of its prior, and one proposal for all observations."""

    def __init__(self, logits=toy.LOGITS, prior=toy.PROBABILITY):
        self.model, self.logits, self.prior = toy.make_model(), logits, prior

    def prior_path(self):
        return GeometricPath(self.model, tf.zeros([10]))

    def sample_latents(self, num, seed):
        distribution = tf.math.log(tf.constant(self.prior[None]) + 1e-300)
        rows = tf.random.stateless_categorical(distribution, num, seed)[0]
        return [tf.gather(tf.constant(toy.STATES, tf.float32), rows)]

    def unnormalised_log_weights(self, batch, seed):
        x = tf.cast(tf.reshape(batch["image"], [-1, 6]), tf.float64)
        logits = tf.tile(tf.constant(self.logits[None]), [tf.shape(x)[0], 1])
        z = gibbs.draw(logits, seed)
        log_q = tf.reduce_sum(tf.math.log_sigmoid((2 * z - 1) * logits), axis=1)
        pixels = tf.math.log_sigmoid(x * (z @ toy.DECODER + toy.DECODER_BIAS))
        log_f = self.model.log_unnormalised(tf.cast(z, tf.float32))
        return tf.cast(tf.reduce_sum(pixels, axis=1) - log_q, tf.float32) + log_f


def dataset(x=ALL_X):
    images = (2 * np.reshape(x, [-1, 2, 3, 1]) - 1).astype(np.float32)
    split = Split(images, np.full(len(images), -1, np.int32))
    return Dataset("toy", split, split)


def log_joint(x):
    """Returns log p(x, z) of all z: [2^10]."""
    pixels = log_expit((2 * x - 1) * (toy.STATES @ toy.DECODER + toy.DECODER_BIAS)).sum(axis=1)
    return pixels + np.log(toy.PROBABILITY)


def exact(x, logits):
    """Returns log p(x), the bound, and the standard deviation of w / p(x), for one x."""
    log_p, log_q = log_joint(x), toy.log_posterior(logits)
    evidence = logsumexp(log_p)
    variance = np.exp(logsumexp(2 * log_p - log_q) - 2 * evidence) - 1
    return evidence, np.exp(log_q) @ (log_p - log_q), math.sqrt(variance)


def near(x):
    """Returns the log odds of the bits under the posterior of x: a good proposal."""
    distribution = np.exp(log_joint(x))
    return logit(distribution @ toy.STATES / distribution.sum())


@dataclasses.dataclass(frozen=True)
class Knows(Annealing):
    """An annealing that returns the exact log Z, plus `error`."""

    num_chains: int = 2
    num_steps: int = 1
    error: float = 0.0

    def __call__(self, learner, seed):
        return Partition(toy.LOG_PARTITION + self.error, toy.LOG_PARTITION + 0.25, 0.125)


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


# log Z


@pytest.fixture(scope="module")
def coarse():
    """Runs many chains with few temperatures: log Z_A, forward and reverse chains."""
    return Annealing(20000, 10).run(Learner(), SEED)


@pytest.mark.parametrize("num_steps", [10, 300])
def test_both_directions_estimate_log_z(num_steps):
    partition = Annealing(2000, num_steps)(Learner(), SEED)
    error = partition.deviation / 3
    assert abs(partition.there - toy.LOG_PARTITION) < 4 * error < 0.1
    assert abs(partition.back - toy.LOG_PARTITION) < 4 * 2 * error
    assert error == pytest.approx(0.76 / math.sqrt(2000) * math.sqrt(10 / num_steps), rel=0.5)


def test_log_z_is_between_the_mean_log_weights_of_both_directions(coarse):
    base, there, back = coarse
    assert base == pytest.approx(17 * math.log(2))
    low, high = base + there.log_weights.mean(), base - back.log_weights.mean()
    assert low < toy.LOG_PARTITION - 0.1 and high > toy.LOG_PARTITION + 0.1


def test_log_means_estimate_log_z_at_every_temperature(coarse):
    """The true log Z_beta of the machine at beta is found by enumeration."""
    base, there, back = coarse
    assert there.log_means.shape == (10,) and there.log_weights.shape == (20000,)
    for annealed in (there, back):
        last = logsumexp(annealed.log_weights) - math.log(20000)
        assert annealed.log_means[-1] == pytest.approx(last, abs=1e-9)
    betas = np.arange(1, 11) / 10
    hidden = toy.STATES @ toy.COUPLINGS + toy.HIDDEN_BIAS
    log_f = [b * toy.STATES @ toy.VISIBLE_BIAS + np.logaddexp(0, b * hidden).sum(1) for b in betas]
    truth = logsumexp(log_f, axis=1)
    np.testing.assert_allclose(base + there.log_means, truth, atol=0.04)
    down = truth[-1] + back.log_means
    np.testing.assert_allclose(down, [*truth[-2::-1], base], atol=0.04)
    # Power of the check: an offset of one temperature would fail.
    assert np.abs(np.diff(truth)).min() > 0.2


def test_the_deviation_equals_that_of_repeated_runs(coarse):
    """3 sigma is compared with the spread of the results of 100 runs of 200 chains."""
    runs = coarse[1].log_weights.reshape(100, 200)
    spread = 3 * np.std(logsumexp(runs, axis=1), ddof=1)
    low, high = np.sqrt(chi2.ppf([1e-4, 1 - 1e-4], 99) / 99)
    told = [Stub(run)(Learner(), SEED).deviation for run in runs]
    assert low < spread / np.mean(told) < high
    assert not low < spread / (np.mean(told) / math.sqrt(3)) < high  # power of the check
    assert not low < spread / (np.mean(told) * 2) < high


class Stub(Annealing):
    """An annealing with given weights, the same in both directions."""

    def __init__(self, log_weights):
        log_means = logsumexp(log_weights)[None] - math.log(len(log_weights))
        object.__setattr__(self, "annealed", AnnealedChains(log_weights, log_means))

    def run(self, learner, seed):
        return 0.0, self.annealed, self.annealed


def test_the_deviation_equals_its_value_by_hand():
    partition = Stub(np.log([1.0, 3.0]) + 800)(Learner(), SEED)  # exp(800) is inf
    assert partition.deviation == pytest.approx(3 * math.sqrt(2) / 2 / math.sqrt(2))
    assert partition.there == pytest.approx(800 + math.log(2))
    assert partition.back == pytest.approx(-800 - math.log(2))


def test_bad_draws_of_the_prior_make_both_estimates_differ():
    """All reverse chains start from one state, like the end of a chain that does not mix."""
    stuck = np.eye(1024)[np.argmin(toy.PROBABILITY)]
    partition = Annealing(2000, 10)(Learner(prior=stuck), SEED)
    assert abs(partition.there - toy.LOG_PARTITION) < 4 * partition.deviation / 3
    assert abs(partition.back - partition.there) > 5 * partition.deviation


def test_annealing_is_reproducible_and_depends_on_the_seed():
    annealing = Annealing(50, 5)
    first = annealing(Learner(), SEED)
    assert first == annealing(Learner(), SEED) != annealing(Learner(), noise.make_seed(6))
    assert all(isinstance(number, float) for number in first)


# Likelihoods


def test_the_toy_has_its_recorded_values():
    np.testing.assert_array_equal(ALL_X[0], toy.X)
    evidence, bound, _ = exact(toy.X, toy.LOGITS)
    assert (evidence, bound) == (
        pytest.approx(-3.448034, abs=5e-7),
        pytest.approx(-8.836203, abs=5e-7),
    )
    assert can(Learner(), LacksPartition)


def test_the_bound_of_a_bad_proposal_is_loose():
    """It is -8.836203, far below log p(x); importance sampling is in between."""
    evaluate = PartitionedLikelihood(Knows(), ImportanceSampling(200, 30, 200))
    metrics = evaluate(Learner(), dataset([toy.X] * 200), SEED)
    log_q = toy.log_posterior()
    error = math.sqrt(np.exp(log_q) @ (log_joint(toy.X) - log_q) ** 2 - toy.bound() ** 2)
    assert abs(metrics["bound"] - toy.bound()) < 4 * error / math.sqrt(200 * 30) < 0.2
    assert metrics["bound"] + 2 < metrics["log_likelihood/importance"] < -3.448034 - 0.2


@pytest.fixture(scope="module")
def likelihood():
    """Evaluates the toy observation, 200 times, with a good proposal and annealed log Z."""
    evaluate = PartitionedLikelihood(Annealing(4000, 100), ImportanceSampling(200, 100, 200))
    return evaluate(Learner(near(toy.X)), dataset([toy.X] * 200), SEED)


def test_likelihoods_equal_enumeration(likelihood):
    """If M importance weights have variance v, the log of their mean is v / 2M too low."""
    evidence, bound, std = exact(toy.X, near(toy.X))
    low, known = std**2 / 200, likelihood["log_partition/deviation"] / 3
    error = 4 * math.hypot(std / math.sqrt(20000), known)
    assert abs(likelihood["nll"] + evidence - low) < error < 0.03
    assert abs(likelihood["nll/back"] + evidence - low) < error
    assert abs(likelihood["bound"] - bound) < 4 * math.hypot(0.61 / math.sqrt(20000), known)
    assert likelihood["bits_per_dim"] == pytest.approx(likelihood["nll"] / 6 / math.log(2))
    assert likelihood["bound"] < likelihood["log_likelihood/importance"] == -likelihood["nll"]
    assert likelihood["importance_ess"] / 100 == pytest.approx(1 / (1 + std**2), rel=0.05)


def test_nll_of_both_directions_differs_by_their_log_z(likelihood):
    gap = likelihood["log_partition/back"] - likelihood["log_partition"]
    assert likelihood["nll/back"] - likelihood["nll"] == pytest.approx(gap, abs=1e-9)
    assert abs(likelihood["log_partition"] - toy.LOG_PARTITION) < 0.02 > abs(gap) > 0


def test_a_wrong_log_z_gives_a_wrong_likelihood():
    evidence, _, std = exact(toy.X, near(toy.X))
    importance, data = ImportanceSampling(200, 50, 200), dataset([toy.X] * 200)
    for wrong in (0.0, 0.1, -0.1):
        evaluate = PartitionedLikelihood(Knows(error=wrong), importance)
        metrics = evaluate(Learner(near(toy.X)), data, SEED)
        off = metrics["nll"] + evidence - std**2 / 100
        assert (abs(off) < 4 * std / math.sqrt(10000)) == (wrong == 0.0)
        assert metrics["nll/back"] == pytest.approx(metrics["nll"] + 0.25 - wrong)
        assert metrics["log_partition/deviation"] == 0.125


def test_all_test_images_have_equal_weight():
    """This includes the images of a last, smaller batch."""
    evaluate = PartitionedLikelihood(Knows(), ImportanceSampling(999, 100, 64))
    logits = np.mean([near(x) for x in ALL_X], axis=0)
    metrics = evaluate(Learner(logits), dataset(np.repeat(ALL_X, 40, axis=0)), SEED)
    evidence, bound, _ = np.transpose([exact(x, logits) for x in ALL_X])
    assert abs(metrics["bound"] - bound.mean()) < 0.1
    assert abs(metrics["nll"] + evidence.mean()) < 0.1
    for values in (bound, evidence):
        assert abs(values[:4].mean() - values.mean()) > 0.3  # power of the check


def test_metrics_and_protocol_have_the_same_names():
    evaluate = PartitionedLikelihood(Knows(7, 9), ImportanceSampling(2, 3, 2))
    metrics, protocol = evaluate(Learner(), dataset(), SEED), evaluate.protocol(dataset())
    assert metrics.keys() == protocol.keys()
    assert explain(evaluate, metrics, dataset()).keys() == metrics.keys()
    assert metrics["bits_per_dim"] == pytest.approx(metrics["nll"] / 6 / math.log(2))
    for name, sentence in protocol.items():
        # importance_ess does not depend on log Z; the sentence of bits_per_dim refers to nll.
        known = name in ("importance_ess", "bits_per_dim")
        assert known != ("7 chains of 9 temperatures" in sentence)
        assert sentence.endswith(".") and "\n" not in sentence
    assert "3 draws" in protocol["nll"] and "of 5 test images of toy" in protocol["nll"]
    assert "back" in protocol["nll/back"] and "back" in protocol["log_partition/back"]


def test_errors_are_one_line():
    evaluate = PartitionedLikelihood(Knows(), ImportanceSampling(1, 1, 1))
    with pytest.raises(InputError) as error:
        evaluate(object(), dataset(), SEED)
    assert "leave PartitionedLikelihood out" in one_line(error)
    for counts, word in (((1, 5), "num_chains is 1"), ((5, 0), "num_steps is 0")):
        with pytest.raises(InputError) as error:
            Annealing(*counts)
        assert word in one_line(error)
    with pytest.raises(InputError) as error:
        PartitionedLikelihood(Knows(), ImportanceSampling(1, 1, 1, level_width=2 / 255))
    assert "level_width is 0.0078" in one_line(error) and "leave it out" in one_line(error)
