import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import HasLatents, Learner, Reconstructs
from tf_shortrun.methods.latent import sigma
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.training.steps import compile_step

SEED = noise.make_seed(0)


def make_learner(optimizer=None, sigma_rule=None):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.layers.Dense(16, "tanh"), keras.layers.Dense(4)])
    model = Decoder(network, latent_widths=[2], sigma=0.3)
    return LatentLikelihood(
        model, ShortRun(10, 0.01), optimizer or keras.optimizers.Adam(1e-2), sigma_rule
    )


def batch(num=32):
    x = noise.normal(noise.make_seed(7), [num, 2])
    return {"image": tf.concat([x, x**2], -1) / 4, "index": tf.range(num), "label": tf.zeros(num)}


def test_the_learner_has_its_capabilities_and_sample_shapes():
    learner = make_learner()
    assert all(can(learner, p) for p in (Learner, Reconstructs, HasLatents))
    assert learner.image_shape == (4,)
    assert learner.sample(5, SEED).shape == (5, 4)
    assert np.abs(learner.sample(500, SEED)).max() <= 1


def test_one_update_follows_the_gradient_at_constant_latents():
    learner = make_learner(keras.optimizers.SGD(0.1))
    latents = learner.infer(batch(), SEED)
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(learner.model.likelihood(latents).log_prob(batch()["image"]))
    variables = learner.model.trainable_variables
    expected = [v - 0.1 * g for v, g in zip(variables, tape.gradient(loss, variables), strict=True)]
    metrics = learner.train_step(batch(), SEED)
    assert float(metrics["loss"]) == pytest.approx(float(loss), rel=1e-5)
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, rtol=1e-4, atol=1e-6)


def test_learning_lowers_the_error():
    learner = make_learner()
    step = tf.function(learner.train_step)
    errors = [float(step(batch(), noise.fold(SEED, k))["mse"]) for k in range(200)]
    assert np.mean(errors[-20:]) < 0.8 * np.mean(errors[:5])


def test_sigma_is_constant_without_a_rule():
    learner = make_learner()
    assert float(learner.train_step(batch(), SEED)["sigma"]) == pytest.approx(0.3)


def test_sigma_follows_a_schedule():
    decay = keras.optimizers.schedules.PolynomialDecay(0.4, 4, 0.2)
    learner = make_learner(sigma_rule=sigma.scheduled(decay))
    seen = [float(learner.train_step(batch(), SEED)["sigma"]) for _ in range(5)]
    np.testing.assert_allclose(seen, [0.35, 0.3, 0.25, 0.2, 0.2], rtol=1e-5)


def test_learned_sigma_is_the_running_error():
    learner = make_learner(keras.optimizers.SGD(0.0), sigma.running_mse(momentum=0.9, floor=0.01))
    metrics = learner.train_step(batch(), SEED)
    expected = np.sqrt(0.9 * 0.3**2 + 0.1 * float(metrics["mse"]))
    assert float(metrics["sigma"]) == pytest.approx(expected, rel=1e-5)


def test_learned_sigma_converges_to_the_noise_of_the_data_and_not_below_its_floor():
    rule = sigma.running_mse(momentum=0.5, floor=0.1)
    value = tf.constant(1.0)
    for _ in range(60):
        value = rule(value, 0, 0.04)
    assert float(value) == pytest.approx(0.2, rel=1e-3)
    assert float(rule(tf.constant(0.1), 0, 0.0)) == pytest.approx(0.1)


@pytest.mark.parametrize("rule", [None, sigma.running_mse(0.9, 0.01)])
def test_one_and_two_replicas_agree_after_20_noisy_steps(one_replica, two_replicas, rule):
    """Weights and sigma agree to 1e-5, metrics to a relative 1e-4."""
    results = []
    for strategy in (one_replica, two_replicas):
        with strategy.scope():
            learner = make_learner(sigma_rule=rule)
        step_fn = compile_step(strategy, learner.train_step, SEED)
        size = 32 // strategy.num_replicas_in_sync

        def share(context, name, size=size):
            first = context.replica_id_in_sync_group * size
            return batch()[name][first : first + size]

        values = {
            name: strategy.experimental_distribute_values_from_function(
                functools.partial(share, name=name)
            )
            for name in batch()
        }
        metrics = [step_fn(values, tf.constant(k)) for k in range(20)][-1]
        weights = [v.numpy() for v in (*learner.model.trainable_variables, learner.model.sigma)]
        results.append((weights, metrics))
    for a, b in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for name in results[0][1]:
        np.testing.assert_allclose(results[0][1][name], results[1][1][name], rtol=1e-4)
