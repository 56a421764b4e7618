"""Tests of ParticleCloud (particle gradient descent), by closed forms of a linear model.

x = W z + b + sigma e with sigma fixed: probabilistic PCA. Its maximum likelihood has b = mean x and
W W^T = U (L - sigma^2 I) U^T for the d largest eigenvalues L of the covariance of the data, and its
posterior has the precision P = I + W^T W / sigma^2 for every x (M. E. Tipping, C. M. Bishop, 1999).
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.cost import Cost
from tf_shortrun.methods.latent.inference import Posterior, each_particle
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood, climb
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.mixture import GaussianMixture
from tf_shortrun.methods.latent.particles import ParticleCloud
from tf_shortrun.methods.latent.preconditioner import GaussNewton
from tf_shortrun.methods.latent.second_stage import MixtureFit, SecondStage
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.start import Bank

SEED = noise.make_seed(1)
NUM, SIGMA = 40, 0.5
MIX = np.array([[1.2, 0.3, -0.2], [0.0, 0.9, 0.6]], "f4")
X = tf.random.stateless_normal([NUM, 2], [1, 2]) @ MIX + 0.7
X += SIGMA * tf.random.stateless_normal([NUM, 3], [3, 4])
DATA = {"image": X, "index": tf.range(NUM, dtype=tf.int64)}


def make(inference, optimizer=None, sigma=SIGMA):
    keras.utils.set_random_seed(2)
    model = Decoder(keras.Sequential([keras.layers.Dense(3)]), [2], sigma)
    return LatentLikelihood(model, inference, optimizer or keras.optimizers.SGD(0.05))


def cloud(num_particles, step_size=0.01, noise_scale=1.0):
    return ParticleCloud(ShortRun(4, step_size, noise_scale), NUM, num_particles)


def weights(learner):
    return [np.array(w) for w in learner.model.trainable_variables]


def particles(learner):
    """Returns the bank, [NUM, N, d]."""
    return np.array(learner.inference.state["bank_0"]).reshape(NUM, -1, 2)


def log_likelihood(kernel, bias):
    """Returns the mean over the data of log N(x; b, W^T W + sigma^2 I)."""
    covariance = kernel.T @ kernel + SIGMA**2 * np.eye(3)
    centred = np.array(X) - bias
    quadratic = np.mean(np.sum(centred @ np.linalg.inv(covariance) * centred, axis=1))
    return -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covariance)[1])


def maximum_likelihood():
    values, vectors = np.linalg.eigh(np.cov(X, rowvar=False, bias=True))
    kernel = (vectors[:, 1:] * np.sqrt(values[1:] - SIGMA**2)).T
    return kernel, np.mean(X, axis=0)


def train(learner, num_steps):
    update = tf.function(learner.train_step)
    for k in range(num_steps):
        update(DATA, noise.fold(SEED, k))
    return learner


def test_it_reaches_the_maximum_likelihood_of_probabilistic_pca():
    """Without noise, which makes the cloud a point, the same number of updates leaves it."""
    best = log_likelihood(*maximum_likelihood())
    kernel, bias = weights(train(make(cloud(50)), 1500))
    assert 0 <= best - log_likelihood(kernel, bias) < 0.005
    expected = maximum_likelihood()[0]
    np.testing.assert_allclose(kernel.T @ kernel, expected.T @ expected, atol=0.1)
    assert best - log_likelihood(*weights(train(make(cloud(50, noise_scale=0.0)), 1500))) > 0.1


def test_the_cloud_has_the_mean_of_the_posterior_and_its_covariance_but_for_the_step():
    """Its variance along an eigenvector of P is 1 / (p (1 - s p / 2)), not 1 / p."""
    learner = make(cloud(200, step_size=0.1), keras.optimizers.SGD(0.0))
    kernel, bias = maximum_likelihood()
    for variable, value in zip(learner.model.trainable_variables, (kernel, bias), strict=True):
        variable.assign(value)
    z = particles(train(learner, 300))
    precision = np.eye(2) + kernel @ kernel.T / SIGMA**2
    mean = (np.array(X) - bias) @ kernel.T / SIGMA**2 @ np.linalg.inv(precision)
    spread = 4 / np.sqrt(200)  # in standard deviations of about 0.4
    np.testing.assert_allclose(z.mean(axis=1), mean, atol=0.5 * spread)
    away = (z - mean[:, None]).reshape(-1, 2)
    values, vectors = np.linalg.eigh(precision)
    stationary = (vectors / (values * (1 - 0.1 * values / 2))) @ vectors.T
    found, error = away.T @ away / len(away), 4 * np.sqrt(2 / len(away))
    np.testing.assert_allclose(found, stationary, atol=error * np.max(stationary))
    exact = np.linalg.inv(precision)
    assert np.abs(found - exact).max() > 2 * error * np.max(stationary)


def test_one_particle_is_alternating_back_propagation_bit_for_bit():
    adam = keras.optimizers.Adam
    learners = [
        make(inference, adam(1e-2)) for inference in (cloud(1), ShortRun(1, 0.01, start=Bank(NUM)))
    ]
    for k in range(3):
        metrics = [learner.train_step(DATA, noise.fold(SEED, k)) for learner in learners]
        assert metrics[0] == metrics[1]
    for a, b in zip(*map(weights, learners), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(*map(particles, learners))


def test_the_particles_of_the_batch_make_one_step_and_theta_follows_their_mean_gradient():
    learner = make(cloud(3, noise_scale=0.0))
    before, (kernel, bias) = particles(learner), weights(learner)
    some = np.array([7, 2])
    learner.train_step({"image": tf.gather(X, some), "index": tf.constant(some)}, SEED)
    after, x = particles(learner), np.array(X)[some][:, None]
    residual = x - (before[some] @ kernel + bias)
    moved = before[some] + 0.01 * (residual @ kernel.T / SIGMA**2 - before[some])
    np.testing.assert_allclose(after[some], moved, rtol=1e-5, atol=1e-6)
    others = np.setdiff1d(np.arange(NUM), some)
    np.testing.assert_array_equal(after[others], before[others])
    error = (x - (moved @ kernel + bias)) / SIGMA**2
    gradients = (np.einsum("bnd,bnx->dx", moved, error) / 6, error.mean(axis=(0, 1)))
    for w, old, gradient in zip(weights(learner), (kernel, bias), gradients, strict=True):
        np.testing.assert_allclose(w, old + 0.05 * gradient, rtol=1e-4, atol=1e-6)


def test_a_permutation_of_the_particles_of_each_image_changes_nothing():
    """A permutation across images does."""
    rng = np.random.default_rng(0)
    within = np.concatenate([5 * i + rng.permutation(5) for i in range(NUM)])
    found = []
    for order in (np.arange(5 * NUM), within, rng.permutation(5 * NUM)):
        learner = make(cloud(5))
        batch = each_particle(DATA, 5)
        drawn = learner.inference(learner.model, batch, SEED)
        climb(learner, batch, Posterior([tf.gather(drawn.latents[0], order)], (), {}), SEED)
        found.append(weights(learner))
    first, permuted, mixed = found
    for a, b in zip(first, permuted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert np.abs(first[0] - mixed[0]).max() > 1e-3


def test_each_particle_has_a_place_of_its_own():
    batch = {"image": X[:2], "index": tf.constant([4, 0]), "label": tf.constant([8, 9])}
    copies = each_particle(batch, 3)
    np.testing.assert_array_equal(copies["index"], [12, 13, 14, 0, 1, 2])
    np.testing.assert_array_equal(copies["label"], [8, 8, 8, 9, 9, 9])
    np.testing.assert_array_equal(copies["image"], np.repeat(X[:2], 3, axis=0))
    assert each_particle(batch, 1) is batch


def test_an_image_without_particles_gets_the_whole_chain_from_the_prior():
    learner = make(cloud(3))
    plain = make(ShortRun(4, 0.01))
    for times in (1, 2):
        found = [x.infer_by_chain({"image": X}, SEED, times) for x in (learner, plain)]
        np.testing.assert_array_equal(*found)


def test_the_second_stage_sees_every_particle():
    keras.utils.set_random_seed(4)
    fit = MixtureFit(GaussianMixture(2, 1), keras.optimizers.Adam(0.03))
    learner = SecondStage(make(cloud(20)), fit, 0)
    before = particles(learner.first)
    update = tf.function(learner.train_step)
    for k in range(400):
        update(DATA, noise.fold(SEED, k))
    np.testing.assert_array_equal(particles(learner.first), before)  # a model that is fixed
    drawn = learner.first.inference(learner.first.model, each_particle(DATA, 20), SEED).latents[0]
    np.testing.assert_allclose(fit.model.means[0], np.mean(drawn, axis=0), atol=0.05)
    scale = fit.model.scales[0]
    expected = np.cov(drawn, rowvar=False)
    np.testing.assert_allclose(scale @ tf.transpose(scale), expected, atol=0.1)


def test_an_update_costs_that_of_one_particle_times_their_number():
    class Data:
        image_shape = (3,)

    one, ten = (Cost(2)(make(cloud(n)), Data, SEED)["flops_per_update"] for n in (1, 10))
    assert ten == 10 * one > 0


@pytest.mark.parametrize(
    ("search", "num_particles", "words"),
    [
        (ShortRun(2, 0.1), 0, "num_particles is 0"),
        (ShortRun(2, 0.1, start=Bank(3)), 2, "starts elsewhere than at the prior"),
        (ShortRun(2, 0.1, preconditioner=GaussNewton(0.5)), 2, "numbers for its steps"),
    ],
)
def test_a_cloud_that_cannot_be_is_refused(search, num_particles, words):
    with pytest.raises(InputError, match=words):
        ParticleCloud(search, NUM, num_particles)
