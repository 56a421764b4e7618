"""Tests of BinaryLatent: each stage by hand, and the gain of each stage."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_expit, logsumexp

import binary_toy as toy
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import (
    HasLatents,
    LacksPartition,
    Learner,
    Reconstructs,
    RunsChain,
    Staged,
)
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.binary import estimators
from tf_shortrun.methods.binary.binary_latent import BinaryLatent
from tf_shortrun.methods.binary.binary_model import BinaryGenerator, BinaryPosterior
from tf_shortrun.methods.binary.gibbs_chains import PersistentChains
from tf_shortrun.methods.binary.rbm import RestrictedBoltzmann
from tf_shortrun.networks.observation import signs
from tf_shortrun.training.steps import make_steps

SEED = noise.make_seed(0)
M, N = 4, 3
X = np.random.default_rng(0).choice([-1.0, 1.0], size=[6, 2, 2, 1]).astype(np.float32)
BATCH = {"image": tf.constant(X)}


def dense(*outputs):
    layers = [keras.layers.Flatten(), keras.layers.Dense(int(np.prod(outputs)))]
    return keras.Sequential([*layers, keras.layers.Reshape(outputs)])


def sgd(rate=1.0):
    return keras.optimizers.SGD(rate)


def make(
    rates=(1.0, 1.0), stages=(0, 0), weights=(0.5, 1.0), estimator=None, decay=0.0, optimizer=sgd
):
    keras.utils.set_random_seed(3)
    prior = RestrictedBoltzmann(M, N)
    prior.couplings.assign(np.random.default_rng(1).normal(size=[M, N]))
    prior.visible_bias.assign(np.random.default_rng(2).normal(size=M))
    posterior = BinaryPosterior(
        keras.layers.Flatten(), lambda outputs: dense(outputs), M, 1, X.shape[1:]
    )
    joint_weight = keras.optimizers.schedules.PolynomialDecay(weights[1], 1, weights[1])
    return BinaryLatent(
        BinaryGenerator(prior, dense(2, 2, 1), signs),
        posterior,
        estimator or estimators.straight_through,
        PersistentChains(8, 2),
        *map(optimizer, rates),
        *stages,
        weights[0],
        joint_weight,
        decay,
        10,
    )


def values(model):
    return [np.array(w) for w in model.get_weights()]


def unchanged(before, model):
    return all(np.array_equal(a, b) for a, b in zip(before, values(model), strict=True))


def statistics(z, couplings, hidden_bias):
    """Returns the means of z s(zW + c)^T, z and s(zW + c)."""
    h = expit(z @ couplings + hidden_bias)
    return [z.T @ h / len(z), z.mean(axis=0), h.mean(axis=0)]


# The stages


def test_the_first_stage_trains_codes_and_sets_the_prior_bias_to_their_log_odds():
    learner = make()
    prior = values(learner.model.prior)
    posterior, decoder = values(learner.posterior), values(learner.model.decoder)
    learner.pretrain_codes(BATCH, SEED)
    assert not unchanged(posterior, learner.posterior)
    assert not unchanged(decoder, learner.model.decoder)
    couplings, bias, hidden_bias = values(learner.model.prior)
    np.testing.assert_array_equal(couplings, prior[0])
    np.testing.assert_array_equal(hidden_bias, prior[2])
    mean = learner.state["code_mean"].numpy()
    assert np.abs(mean - 0.5).max() > 1e-3
    np.testing.assert_allclose(bias, np.log(mean / (1 - mean)), rtol=1e-5)


def test_the_first_stage_minimises_its_objective():
    """The loss is -log p(x | z) - beta H(q), with straight-through gradients of the bits."""
    learner = make()
    with tf.GradientTape() as tape:
        logits = learner.posterior.conditionals(BATCH["image"])[0]([])
        bits = estimators.draw(logits, noise.fold(SEED, 0))
        z = bits + tf.sigmoid(logits) - tf.stop_gradient(tf.sigmoid(logits))
        log_prob = learner.model.likelihood(z).log_prob(BATCH["image"])
        loss = -tf.reduce_mean(log_prob + 0.5 * estimators.entropy(logits))
    networks = [learner.posterior, learner.model.decoder]
    variables = [v for network in networks for v in network.trainable_variables]
    expected = [
        np.array(v) - g for v, g in zip(variables, tape.gradient(loss, variables), strict=True)
    ]
    metrics = learner.pretrain_codes(BATCH, SEED)
    assert float(metrics["loss"]) == pytest.approx(float(loss), rel=1e-5)
    for v, w in zip(variables, expected, strict=True):
        np.testing.assert_allclose(v, w, atol=1e-5)


@pytest.mark.parametrize("stage", ["pretrain_prior", "train_step"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_the_prior_update_is_the_statistics_of_codes_minus_those_of_chains(stage, decay):
    learner = make(rates=(0.0, 1.0), decay=decay)
    posterior, decoder = values(learner.posterior), values(learner.model.decoder)
    before, seeds = values(learner.model.prior), noise.split(SEED, 2)
    conditionals = learner.posterior.conditionals(BATCH["image"])
    codes = estimators.complete(conditionals, seeds[0])[0].numpy()
    getattr(learner, stage)(BATCH, SEED)
    chains = learner.state["chains"].numpy()
    up, down = (statistics(z, before[0], before[2]) for z in (codes, chains))
    shrink = [decay * before[0], 0, 0]
    for old, new, a, b, s in zip(
        before, values(learner.model.prior), up, down, shrink, strict=True
    ):
        np.testing.assert_allclose(new - old, a - b - s, atol=1e-5)
    assert unchanged(posterior, learner.posterior) and unchanged(decoder, learner.model.decoder)


@pytest.mark.parametrize("beta", [1.0, 0.25])
def test_the_joint_stage_minimises_its_objective(beta):
    """The loss is -log p(x | z) + beta (F(z) - H(q)), with straight-through gradients."""
    learner = make(rates=(1.0, 0.0), weights=(0.5, beta))
    with tf.GradientTape() as tape:
        logits = learner.posterior.conditionals(BATCH["image"])[0]([])
        seed = noise.fold(noise.split(SEED, 2)[0], 0)
        z = (
            estimators.draw(logits, seed)
            + tf.sigmoid(logits)
            - tf.stop_gradient(tf.sigmoid(logits))
        )
        rest = learner.model.prior.log_unnormalised(z) + estimators.entropy(logits)
        log_prob = learner.model.likelihood(z).log_prob(BATCH["image"])
        loss = -tf.reduce_mean(log_prob + beta * rest)
    networks = [learner.posterior, learner.model.decoder]
    variables = [v for network in networks for v in network.trainable_variables]
    expected = [
        np.array(v) - g for v, g in zip(variables, tape.gradient(loss, variables), strict=True)
    ]
    learner.train_step(BATCH, SEED)
    for v, w in zip(variables, expected, strict=True):
        np.testing.assert_allclose(v, w, atol=1e-5)


def test_stages_follow_in_order():
    learner = make(stages=(2, 3))
    names = [learner.update_at(step).__name__ for step in range(1, 8)]
    assert names == 2 * ["pretrain_codes"] + 3 * ["pretrain_prior"] + 2 * ["train_step"]
    assert make().update_at(1).__name__ == "train_step"


def test_the_loop_compiles_each_stage_once(one_replica):
    with one_replica.scope():
        learner = make(stages=(2, 2))
    traces = {}

    def count(name, update, *args):
        traces[name] = traces.get(name, 0) + 1
        return update(*args)

    for name in ("pretrain_codes", "pretrain_prior", "train_step"):
        setattr(learner, name, functools.partial(count, name, getattr(learner, name)))
    step_at = make_steps(one_replica, learner, SEED)
    for step in range(1, 7):
        step_at(step)(BATCH, tf.constant(step))
    assert traces == dict.fromkeys(("pretrain_codes", "pretrain_prior", "train_step"), 1)


# Results of training


def exact_log_likelihood(learner, x):
    """Returns log p(x) by enumeration of the codes: [B], nats."""
    z = tf.constant(toy.states(M), tf.float32)
    log_f = np.asarray(learner.model.prior(z), float)
    logits = learner.model.decoder(2 * z - 1).numpy().reshape(len(z), -1).astype(float)
    flat = x.reshape(len(x), -1).astype(float)
    log_prob = log_expit(flat[:, None] * logits).sum(axis=-1)
    return logsumexp(log_prob + log_f, axis=1) - logsumexp(log_f)


def test_each_stage_improves_the_likelihood_of_two_images(one_replica):
    """The best log p(x) is -log 2. Independent bits cannot represent that bits agree."""
    images = np.array([1, 1, -1, -1, -1, -1, 1, 1], np.float32).reshape(2, 2, 2, 1)
    batch = {"image": tf.constant(np.repeat(images, 20, axis=0))}

    def adam(rate):
        return keras.optimizers.Adam(rate)

    stages = (150, 600)
    # Chains rarely leave the two modes, so the last steps are small.
    slower = keras.optimizers.schedules.PiecewiseConstantDecay([600], [0.01, 0.002])
    with one_replica.scope():
        learner = make((0.03, slower), stages, (0.05, 1.0), optimizer=adam)
        learner.model.prior.couplings.assign(0.01 * learner.model.prior.couplings)
    step_at, found = make_steps(one_replica, learner, SEED), []
    for step in range(1, 1201):
        step_at(step)(batch, tf.constant(step))
        if step in (stages[0], sum(stages), 1200):
            found.append(exact_log_likelihood(learner, images).mean())
    codes, prior, joint = found
    assert codes + 0.15 < prior < -np.log(2)
    assert prior + 0.02 < joint
    assert joint == pytest.approx(-np.log(2), abs=0.2)


# Capabilities and errors


def test_the_learner_has_its_capabilities():
    learner = make()
    for protocol in (Learner, Staged, HasLatents, LacksPartition, Reconstructs):
        assert can(learner, protocol)
    assert not can(learner, RunsChain)
    latents = learner.sample_latents(5, SEED)
    np.testing.assert_array_equal(learner.sample(5, SEED), learner.decode(latents))
    assert set(np.unique(latents[0])) <= {0, 1}


def test_unnormalised_log_weights_are_log_joint_minus_log_posterior():
    learner = make()
    log_weights = learner.unnormalised_log_weights(BATCH, SEED)
    z, log_q = estimators.complete(learner.posterior.conditionals(BATCH["image"]), SEED)
    expected = learner.model.log_joint(z, BATCH["image"]) - log_q
    np.testing.assert_allclose(log_weights, expected)
    path = learner.prior_path()
    np.testing.assert_array_equal(path.base, np.zeros(M))  # no codes so far


@pytest.mark.parametrize("mistake", [{"stages": (-1, 0)}, {"stages": (0, -1)}, {"weights": (0, 1)}])
def test_bad_arguments_are_refused_in_one_line(mistake):
    with pytest.raises(InputError, match="choose from 0 on|choose a positive weight") as error:
        make(**mistake)
    assert "\n" not in str(error.value)
