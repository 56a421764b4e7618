"""Tests of LatentEnergy: E = 0 changes nothing, a learned E moves the prior to the latents."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import HasDensity, HasLatents, Reconstructs, RunsChain, Weighs
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.energy_prior import EnergyPrior
from tf_shortrun.methods.latent.inference import Posterior
from tf_shortrun.methods.latent.latent_energy import LatentEnergy
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.networks.perceptron import perceptron

SEED = noise.make_seed(4)
X = {"image": tf.random.stateless_normal([6, 3], SEED)}


def generator():
    keras.utils.set_random_seed(1)
    z = [keras.Input([1]), keras.Input([2])]
    image = keras.layers.Dense(3)(keras.layers.Concatenate()(z))
    return Decoder(keras.Model(z, image), [1, 2], 0.4)


def learner(rate=0.05, num_prior_steps=60):
    network = perceptron((20,), 1, "gelu")
    network.layers[-1].kernel_initializer = keras.initializers.Zeros()  # E = 0 everywhere
    model = EnergyPrior(generator(), network)
    adam = keras.optimizers.Adam
    return LatentEnergy(model, ShortRun(5, 0.01), adam(1e-3), adam(rate), num_prior_steps, 0.08)


def test_a_constant_energy_changes_neither_inference_nor_the_update():
    """With the same noise, latents and the update of the generator are the same."""
    plain = LatentLikelihood(generator(), ShortRun(5, 0.01), keras.optimizers.Adam(1e-3))
    flat = learner()
    for a, b in zip(plain.infer(X, SEED), flat.infer(X, SEED), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    seeds = (noise.stream(SEED, "infer"), SEED)  # `flat` infers with a stream of its own
    steps = [x.train_step(X, seed) for x, seed in zip((plain, flat), seeds, strict=True)]
    losses = [float(metrics["loss"]) for metrics in steps]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for a, b in zip(plain.variables, flat.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_prior_draws_with_a_constant_energy_have_the_variance_of_the_chain():
    """Variance c^(2K) + 2 s (1 - c^(2K)) / (1 - c^2), c = 1 - s: 1.04166 for s = .08, K = 60."""
    latents = tf.concat(learner().sample_latents(40000, SEED), axis=-1)
    assert float(tf.math.reduce_variance(latents)) == pytest.approx(1.04166, abs=0.012)


def test_the_prior_moves_towards_the_inferred_latents():
    fit = learner(rate=0.003)
    ends = [a + b for a, b in zip(fit.model.sample_latents(50, SEED), (1.5, 0.0), strict=True)]
    batch = {"image": fit.model(ends)}
    learn = tf.function(lambda seed: fit.learn(batch, Posterior(ends, (), {}), seed))
    for i in range(60):
        metrics = learn(noise.fold(SEED, i))
    top, low = (float(tf.reduce_mean(z)) for z in fit.sample_latents(2000, SEED))
    assert top > 0.5  # 0 at first; negative if E had the wrong sign
    assert abs(low) < 0.3
    assert np.isfinite(metrics["gap"])


def test_the_learner_offers_no_densities():
    some = learner()
    assert can(some, HasLatents) and can(some, Reconstructs) and can(some, RunsChain)
    assert not can(some, HasDensity) and not can(some, Weighs)


def test_too_few_prior_steps_are_refused():
    with pytest.raises(InputError, match="at least one step"):
        learner(num_prior_steps=0)
