"""Tests of step size objectives, against closed forms on a linear-Gaussian model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.latent import volume
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.objectives import EnergyScore, kl_hat, model_pairs
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.step_size import for_image_shape
from tools import step_sizes as toy

SEED = noise.make_seed(0)


def observations(model, num):
    latents = model.sample_latents(num, noise.fold(SEED, 1))
    return model(latents) + toy.SIGMA * noise.normal(noise.fold(SEED, 2), [num, toy.DIMENSIONS])


def mean_log_evidence(model, x):
    """Returns mean log N(x; 0, W^T W + sigma^2 I)."""
    (weights,) = model.network.get_weights()
    covariance = weights.T.astype(float) @ weights + toy.SIGMA**2 * np.eye(toy.DIMENSIONS)
    quadratic = np.mean(np.sum(x @ np.linalg.inv(covariance) * x, axis=-1))
    return -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covariance)[1])


@pytest.mark.parametrize(
    ("shape", "share"), [((32, 32, 3), 1), ((16, 16, 1), 1), ((64, 64, 3), 1 / 4), ((48, 64, 1), 1)]
)
def test_steps_are_shorter_for_larger_images(shape, share):
    assert for_image_shape(shape, 0.004) == pytest.approx(0.004 * share)


def test_the_toy_model_has_its_stated_precisions():
    (weights,) = toy.make_model().network.get_weights()
    precision = np.eye(8) + weights @ weights.T / toy.SIGMA**2
    np.testing.assert_allclose(np.linalg.eigvalsh(precision), toy.PRECISIONS, rtol=1e-5)


def test_the_closed_form_of_the_toy_has_the_variance_of_its_chains():
    model, sizes = toy.make_model(), [0.06, 0.03, 0.01]
    x = tf.repeat(observations(model, 1), 20000, axis=0)
    sizes_by_step = np.reshape(sizes, [3, 1]).tolist()
    (ends,) = ShortRun(3, sizes_by_step)(model, {"image": x}, SEED).latents
    _, variance = toy.distribution(sizes)
    np.testing.assert_allclose(np.var(ends, axis=0), variance, rtol=5 * np.sqrt(2 / 20000))


@pytest.mark.parametrize("noise_scale", [1.0, 0.0])
def test_log_determinant_equals_that_of_the_jacobian_of_the_chain(noise_scale):
    """The sum over k of the symmetric factors is log |det dz_K / dz_0|, preconditioned."""
    keras.utils.set_random_seed(0)
    join, hidden, out = (
        keras.layers.Concatenate(),
        keras.layers.Dense(16, "gelu"),
        keras.layers.Dense(6),
    )
    inputs = [keras.Input([2]), keras.Input([3])]
    model = Decoder(keras.Model(inputs, out(hidden(join(inputs)))), [2, 3], sigma=0.5)
    x, sizes = tf.ones([4, 6]), tf.constant([[0.05, 0.1]] * 3)
    preconditioner = [tf.constant([2.0, 0.5]), tf.constant([1.0, 0.3, 1.5])]
    step = volume.make_step(lambda z: model.log_joint(z, x), noise_scale, preconditioner)
    flat = tf.concat(model.sample_latents(4, SEED), axis=-1)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(flat)
        end, _ = unroll(step, volume.begin(tf.split(flat, [2, 3], -1)), sizes, SEED)
        last = tf.concat(end.state.latents, axis=-1)
    jacobian = tape.batch_jacobian(last, flat, experimental_use_pfor=False)
    np.testing.assert_allclose(end.log_det, np.linalg.slogdet(jacobian)[1], atol=1e-4)
    assert np.abs(end.log_det).min() > 0.1


def estimated_kl(model, x, sizes, noise_scale=1.0):
    inference = ShortRun(10, 1.0, noise_scale)
    value = kl_hat(inference, model, {"image": x}, sizes, SEED)
    return float(value) + mean_log_evidence(model, x)


@pytest.mark.parametrize("size", [0.006, 0.01, 0.03])
def test_kl_hat_estimates_its_closed_form_and_not_the_true_kl(size):
    model = toy.make_model()
    value = estimated_kl(model, observations(model, 2000), np.full([10, 1], size, "f4"))
    expected = toy.biased_kl([size] * 10)
    assert value == pytest.approx(expected, abs=0.05 * expected)
    assert value > toy.true_kl([size] * 10) + 1  # the bias is I(z_K; xi)


def test_kl_hat_is_exact_without_noise():
    model = toy.make_model()
    x, sizes = observations(model, 2000), np.full([10, 1], 0.011, "f4")
    mean = (1 - 0.011 * toy.PRECISIONS) ** 10
    expected = toy._kl(mean, mean**2, mean**2)
    assert estimated_kl(model, x, sizes, noise_scale=0.0) == pytest.approx(expected, rel=0.05)


SCORE = EnergyScore(model_pairs)


@pytest.mark.parametrize("objective", [kl_hat, SCORE], ids=["kl_hat", "energy_score"])
def test_objectives_are_differentiable_in_every_step_size(objective):
    """The gradient agrees with a finite difference at the same noise."""
    model = toy.make_model()
    batch = {"image": observations(model, 300)}

    def value(sizes):
        return objective(ShortRun(3, 1.0), model, batch, sizes, SEED)

    sizes, step = tf.constant([[0.03], [0.02], [0.01]]), 1e-3
    with tf.GradientTape() as tape:
        tape.watch(sizes)
        result = value(sizes)
    gradient = tape.gradient(result, sizes)
    for k in range(3):
        change = np.eye(3, dtype="f4")[:, k : k + 1] * step
        difference = (value(sizes + change) - value(sizes - change)) / (2 * step)
        assert float(gradient[k, 0]) == pytest.approx(float(difference), rel=0.05, abs=0.05)


def test_energy_score_is_smallest_at_the_posterior():
    """The chain is long enough to converge: with less or more noise its score is worse."""
    model, sizes = toy.make_model(), np.full([60, 1], 0.01, "f4")
    batch = {"image": tf.zeros([4000, toy.DIMENSIONS])}
    cold, right, hot = (
        float(SCORE(ShortRun(60, 1.0, noise_scale), model, batch, sizes, SEED))
        for noise_scale in (0.5, 1.0, 1.5)
    )
    assert right < min(cold, hot) - 0.01


@pytest.fixture(scope="module")
def divergence():
    """Returns the true KL of every choice, nats: half the updates, a quarter of the pairs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(toy, "NUM_UPDATES", 150)
        patch.setattr(toy, "NUM_PAIRS_AN_UPDATE", 1000)
        return {name: toy.true_kl(sizes) for name, sizes in toy.study().items()}


def test_kl_hat_chooses_step_sizes_that_are_much_too_small(divergence):
    assert divergence["kl_hat@20"] > 3
    assert divergence["best_single@20"] == pytest.approx(0.11, abs=0.005)


def test_the_energy_score_chooses_good_step_sizes(divergence):
    assert divergence["energy_score@20"] <= 0.35


@pytest.mark.parametrize(("num_steps", "bound"), [(20, 0.03), (10, 0.08), (5, 0.4)])
def test_one_learned_step_size_per_step_beats_the_best_single_one(divergence, num_steps, bound):
    learned = divergence[f"learned_per_step@{num_steps}"]
    assert learned <= bound
    assert learned < min(toy.true_kl([s] * num_steps) for s in toy.GRID)
