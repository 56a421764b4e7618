"""Tests of second stages: mixtures, auto-encoders and two-stage VAEs, by closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Weighs
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent import sigma
from tf_shortrun.methods.latent.amortized import MeanField, Point
from tf_shortrun.methods.latent.evidence_bound import EvidenceBound
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.mixture import GaussianMixture
from tf_shortrun.methods.latent.second_stage import MixtureFit, SecondStage

SEED = noise.make_seed(3)
X = tf.random.stateless_normal([500, 3], SEED) @ [[1.0, 0.0, 0.5], [0, 0.3, 0], [0, 0, 0.8]] + 2.0


def adam(rate=0.03):
    return keras.optimizers.Adam(rate)


def linear(outputs, seed=1):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.layers.Dense(outputs)])


def make_encoder(width):
    """Returns an encoder whose initial output depends on the image."""
    return keras.Sequential([keras.layers.Flatten(), linear(width, 2)])


def autoencoder(prior_weight=1.0, decay=0.0, inference=Point, rule=None, sigma=0.5):
    model = Decoder(linear(3), [2], sigma)
    weight = lambda _: prior_weight  # noqa: E731
    return EvidenceBound(model, inference(make_encoder), adam(), weight, decay, rule)


def fitted(num_components, data=X, num_steps=600):
    keras.utils.set_random_seed(0)
    fit = MixtureFit(GaussianMixture(data.shape[1], num_components), adam())
    update = tf.function(fit.train_step)
    for _ in range(num_steps):
        update({"image": data}, SEED)
    return fit.model


def test_one_component_fits_the_maximum_likelihood_gaussian():
    model = fitted(1)
    np.testing.assert_allclose(model.means[0], np.mean(X, 0), atol=0.02)
    covariance = model.scales[0] @ tf.transpose(model.scales[0])
    np.testing.assert_allclose(covariance, np.cov(X, rowvar=False, bias=True), atol=0.03)


def test_two_components_find_two_clusters_and_their_weights():
    lumps = tf.concat([0.2 * X[:100] + 3.0, 0.2 * X[100:400] - 3.0], 0)
    model = fitted(2, lumps)
    order = np.argsort(model.means[:, 0])
    np.testing.assert_allclose(tf.nn.softmax(model.logits).numpy()[order], [0.75, 0.25], atol=0.01)
    np.testing.assert_allclose(np.array(model.means)[order[1]], np.mean(lumps[:100], 0), atol=0.02)


def test_the_density_of_a_mixture_is_that_of_tensorflow_probability():
    tfd = tfp.distributions
    model = fitted(4, num_steps=50)
    parts = tfd.MultivariateNormalTriL(np.array(model.means), model.scales)
    mixture = tfd.MixtureSameFamily(tfd.Categorical(np.array(model.logits)), parts)
    np.testing.assert_allclose(model.log_prob(3 * X), mixture.log_prob(3 * X), rtol=1e-5)


def test_draws_of_a_mixture_follow_its_distribution():
    model = fitted(2, tf.concat([0.2 * X[:100] + 3.0, 0.2 * X[100:400] - 3.0], 0))
    draws = model.draw(4000, SEED)
    share = tf.reduce_mean(tf.cast(draws[:, 0] > 0, tf.float32))
    assert abs(float(share) - 0.25) < 0.03
    upper = draws.numpy()[draws[:, 0] > 0]
    k = int(np.argmax(model.means[:, 0]))
    covariance = model.scales[k] @ tf.transpose(model.scales[k])
    np.testing.assert_allclose(np.cov(upper, rowvar=False), covariance, atol=0.01)
    np.testing.assert_array_equal(draws, model.draw(4000, SEED))


def test_an_autoencoder_has_the_loss_of_its_paper():
    """SSE / (2 sigma^2) + w |z|^2 / 2 + decay |theta|^2 / 2 + a constant."""
    learner = autoencoder(prior_weight=0.4, decay=0.1)
    (z,) = learner.infer({"image": X}, SEED)
    squares = tf.reduce_sum((X - learner.model([z])) ** 2, axis=-1)
    weights = sum(float(tf.reduce_sum(w**2)) for w in learner.model.trainable_variables)
    constant = 3 * (0.5 * np.log(2 * np.pi) + np.log(0.5)) + 0.4 * np.log(2 * np.pi)
    norms = 0.4 * tf.reduce_sum(z**2, axis=-1) / 2
    expected = float(tf.reduce_mean(squares / (2 * 0.25) + norms)) + 0.05 * weights + constant
    assert float(learner.train_step({"image": X}, SEED)["loss"]) == pytest.approx(
        expected, rel=1e-5
    )


def test_a_point_has_no_density():
    assert can(autoencoder(inference=MeanField), Weighs)
    assert not can(autoencoder(), Weighs)
    with pytest.raises(AttributeError, match="EvidenceBound has no log_weights"):
        autoencoder().log_weights({"image": X}, SEED)


def test_learned_sigma_converges_to_the_error():
    """The optimum is sigma^2 = mean squared error per component."""
    learner = autoencoder(inference=MeanField, rule=sigma.running_mse(0.5, 0.01))
    update = tf.function(learner.train_step)
    for _ in range(300):
        metrics = update({"image": X}, SEED)
    assert float(learner.model.sigma) ** 2 == pytest.approx(float(metrics["mse"]), rel=0.02)


def second_stage(width=2, num_first_steps=3):
    keras.utils.set_random_seed(4)
    return SecondStage(
        autoencoder(), MixtureFit(GaussianMixture(width, 1), adam()), num_first_steps
    )


def test_the_second_stage_follows_the_first_and_does_not_change_it():
    learner = second_stage()
    assert learner.update_at(3) == learner.first.train_step
    assert learner.update_at(4) == learner.train_step
    before = [w.numpy() for w in learner.first.variables]
    update = tf.function(learner.train_step)
    for _ in range(500):
        update({"image": X}, SEED)
    for a, b in zip(before, learner.first.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    (z,) = learner.infer({"image": X}, SEED)
    (drawn,) = learner.sample_latents(4000, SEED)
    np.testing.assert_allclose(np.mean(drawn, 0), np.mean(z, 0), atol=0.1)
    np.testing.assert_allclose(np.std(drawn, 0), np.std(z, 0), rtol=0.1)


def test_a_second_stage_of_another_width_is_refused():
    with pytest.raises(InputError, match="there are 2 latents"):
        second_stage(width=3)


def test_draws_of_a_second_stage_decoder_include_its_noise():
    second = autoencoder(inference=MeanField, sigma=0.5)
    draws = second.draw(5000, SEED)
    kernel = second.model.trainable_variables[0].numpy()
    expected = kernel.T @ kernel + 0.25 * np.eye(3)
    np.testing.assert_allclose(np.cov(draws, rowvar=False), expected, atol=0.15)
