"""Tests of encoders and of the evidence bound, against closed forms."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import linear_gaussian as toy
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import HasLatents, Learner, Reconstructs, RunsChain, Weighs
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.amortized import Ladder, MeanField, merged
from tf_shortrun.methods.latent.blocks import GaussianConditional, LadderMerge, free_std
from tf_shortrun.methods.latent.encoder import light_encoder, mirrored_encoder
from tf_shortrun.methods.latent.evidence_bound import EvidenceBound
from tf_shortrun.methods.latent.top_down import TopDownGenerator

SEED = noise.make_seed(5)
FREE = functools.partial(GaussianConditional, std_fn=free_std)


def generator(conditional=FREE):
    keras.utils.set_random_seed(1)
    return TopDownGenerator((8, 8, 1), (3, 4, 5), 6, 1, conditional, 0.3)


def make_network(width):
    """Returns a small encoder whose output depends on the image."""
    last = keras.layers.Dense(width, kernel_initializer=keras.initializers.RandomNormal(0, 0.3))
    return keras.Sequential([keras.layers.Flatten(), last])


def images(num=6):
    return {"image": tf.random.stateless_uniform([num, 8, 8, 1], SEED, -1.0, 1.0)}


def test_merging_adds_precisions():
    mean, std = merged(1.0, 1.0, 0.0, 1.0)
    assert (float(mean), float(std)) == pytest.approx((0.5, 0.5**0.5))
    mean, std = merged(1.0, 2.0, -3.0, 1e6)  # a prior so wide that it has no effect
    assert (float(mean), float(std)) == pytest.approx((1.0, 2.0), rel=1e-5)


def test_log_q_of_a_ladder_draw_is_the_sum_over_its_layers():
    """log q(eps) follows from log q(z) by the change of variables, layer by layer."""
    model, ladder = generator(), Ladder(make_network)
    ladder.build(model)
    latents, log_q = ladder.draw(model, images(), SEED)
    means, log_stds = ladder._proposal.moments(images())
    distributions = model.latent_distributions(latents)
    total = 0.0
    for eps, m, r, distribution, layer in zip(
        latents, means, log_stds, distributions, range(3), strict=True
    ):
        p_mean, p_std = (
            (distribution.mean(), distribution.stddev()) if layer else (tf.zeros_like(eps), 1.0)
        )
        precision = tf.exp(-2 * r) + p_std**-2
        mean = (m * tf.exp(-2 * r) + p_mean * p_std**-2) / precision
        z = p_mean + p_std * eps
        log_density = -0.5 * precision * (z - mean) ** 2 + 0.5 * tf.math.log(precision)
        log_density += tf.math.log(p_std * tf.ones_like(eps)) - 0.5 * np.log(2 * np.pi)
        total += tf.reduce_sum(log_density, -1)
    np.testing.assert_allclose(log_q, total, rtol=1e-4)
    assert np.abs(log_q - model.log_prior(latents)).min() > 0.01  # power of the check


def test_an_encoder_with_output_zero_gives_the_prior_and_the_ladder_half_its_variance():
    model = generator()
    silent = functools.partial(light_encoder, hidden_units=4)
    field, ladder = MeanField(silent), Ladder(silent)
    for inference in (field, ladder):
        inference.build(model)
    latents, log_q = field.draw(model, images(), SEED)
    np.testing.assert_allclose(log_q, model.log_prior(latents), rtol=1e-5)
    top = ladder.draw(model, images(4000), SEED)[0][0]
    assert np.var(top) == pytest.approx(0.5, rel=0.05)


def test_the_ladder_needs_gaussian_conditionals():
    ladder = Ladder(make_network)
    model = generator(LadderMerge)
    ladder.build(model)
    with pytest.raises(InputError, match="only Gaussian conditionals"):
        ladder.draw(model, images(), SEED)


def test_the_bound_of_a_linear_vae_equals_the_log_likelihood():
    """The bound is tight if the encoder is the exact posterior (probabilistic PCA)."""
    width = len(toy.W)

    def exact(_):
        dense = keras.layers.Dense(2 * width)
        network = keras.Sequential([keras.layers.Flatten(), dense])
        network.build([None, toy.DIMENSIONS])
        mean = toy.W.T / toy.SIGMA**2 / toy.PRECISIONS
        kernel = np.concatenate([mean, np.zeros_like(mean)], axis=1)
        dense.set_weights([kernel, np.r_[np.zeros(width), -0.5 * np.log(toy.PRECISIONS)]])
        return network

    x = toy.dataset(50).test.images
    learner = EvidenceBound(toy.make_model(), MeanField(exact), keras.optimizers.SGD(0.0))
    metrics = learner.train_step({"image": tf.constant(x)}, SEED)
    # One draw suffices: at the posterior, log p(x, z) - log q(z | x) is log p(x) for every z.
    assert float(metrics["bound"]) == pytest.approx(toy.log_likelihood(x).mean(), rel=1e-4)
    weights = learner.log_weights({"image": tf.constant(x)}, SEED)
    np.testing.assert_allclose(weights, toy.log_likelihood(x), rtol=1e-3)


@pytest.mark.parametrize("make", [MeanField, Ladder])
def test_both_encoders_learn(make):
    network = functools.partial(mirrored_encoder, features=6, num_downsamplings=1, num_blocks=1)
    learner = EvidenceBound(generator(), make(network), keras.optimizers.Adam(1e-2))
    assert all(can(learner, p) for p in (Learner, Reconstructs, HasLatents, Weighs))
    assert not can(learner, RunsChain)
    before = [v.numpy() for v in learner.variables]
    step = tf.function(learner.train_step)
    losses = [float(step(images(), noise.fold(SEED, k))["loss"]) for k in range(60)]
    assert np.mean(losses[-10:]) < 0.7 * losses[0]
    assert all(np.abs(a - b).max() > 0 for a, b in zip(before, learner.variables, strict=True))


def test_the_weight_of_the_prior_follows_its_schedule():
    schedule = keras.optimizers.schedules.PolynomialDecay(0.0, 2, 1.0)
    learner = EvidenceBound(
        generator(), MeanField(make_network), keras.optimizers.SGD(1e-6), schedule
    )
    for weight in (0.0, 0.5, 1.0, 1.0):
        metrics = learner.train_step(images(), SEED)
        loss = -metrics["bound"] - metrics["kl"] + weight * metrics["kl"]
        assert float(metrics["loss"]) == pytest.approx(float(loss), rel=1e-4)


def test_the_mirrored_encoder_has_the_initial_weights_of_the_generator():
    """Kernels are uniform in +-1/sqrt(fan_in), and the initial output is 0."""
    network = mirrored_encoder(4, features=64, num_downsamplings=2, num_blocks=1)
    network.build([None, 16, 16, 3])
    for kernel in (w for w in network.trainable_variables if len(w.shape) == 4):
        limit = np.prod(kernel.shape[:3]) ** -0.5
        assert 0.98 * limit < np.abs(kernel).max() <= limit
    assert not np.any(network(tf.ones([1, 16, 16, 3])))
