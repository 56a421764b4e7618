"""Tests of LabelGaussians, by the moments of the latents that it was given."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import SamplesLabels
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.label_gaussians import LabelGaussians
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.mixture import GaussianMixture
from tf_shortrun.methods.latent.second_stage import MixtureFit, SecondStage
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.training.steps import compile_step

SEED = noise.make_seed(5)
RNG = np.random.default_rng(0)
LABELS = RNG.choice([-1, 0, 2], size=300, p=[0.2, 0.2, 0.6]).astype(np.int32)
MIX = np.array([[1.0, 0.8], [0.0, 0.3]], "f4")
Z = (RNG.normal(size=(300, 2)) @ MIX + np.array([1.0, -2.0]) * LABELS[:, None]).astype("f4")


def learned(parts=3):
    """Returns the Gaussians of labels 0, 1 and 2, of which no example has label 1."""
    gaussians = LabelGaussians(2, 3)
    for z, labels in zip(np.split(Z, parts), np.split(LABELS, parts), strict=True):
        metrics = gaussians.train_step({"image": tf.constant(z), "label": labels}, SEED)
        assert float(metrics["labelled"]) == pytest.approx(np.mean(labels >= 0))
    return gaussians


def test_the_moments_are_those_of_the_examples_and_one_draw_of_the_prior():
    mean, covariance = learned().moments()
    np.testing.assert_array_equal(
        learned().label_counts(), [np.sum(LABELS == 0), 0, np.sum(LABELS == 2)]
    )
    for label in (0, 2):
        z, weight = Z[label == LABELS], 1 / (np.sum(label == LABELS) + 1)
        expected = (1 - weight) * z.mean(0)
        np.testing.assert_allclose(mean[label], expected, rtol=1e-5)
        second = (1 - weight) * (z.T @ z) / len(z) + weight * np.eye(2)
        np.testing.assert_allclose(
            covariance[label], second - np.outer(expected, expected), rtol=1e-4, atol=1e-5
        )
    np.testing.assert_array_equal(mean[1], [0, 0])
    np.testing.assert_array_equal(covariance[1], np.eye(2))


def test_one_batch_or_many_are_the_same_but_for_rounding():
    for a, b in zip(learned(1).moments(), learned(10).moments(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_draws_of_a_label_have_its_moments_and_those_of_all_have_the_shares():
    gaussians = learned()
    mean, covariance = (x.numpy() for x in gaussians.moments())
    draws = gaussians.draw_of(tf.fill([20000], 2), SEED).numpy()
    spread = np.sqrt(np.diag(covariance[2]) / 20000)
    assert np.all(np.abs(draws.mean(0) - mean[2]) < 4 * spread)
    np.testing.assert_allclose(np.cov(draws, rowvar=False), covariance[2], rtol=0.06)
    mixed = gaussians.draw(20000, SEED).numpy()
    shares = (gaussians.label_counts().numpy() + 1) / (np.sum(LABELS >= 0) + 3)
    assert np.all(np.abs(mixed.mean(0) - shares @ mean) < 4 * mixed.std(0) / np.sqrt(20000))


def test_with_one_seed_a_row_a_draw_depends_on_its_own_seed_and_label():
    gaussians = learned()
    seeds = tf.constant([[1, 2], [3, 4], [5, 6]])
    together = gaussians.draw_of(tf.constant([0, 2, 0]), seeds)
    alone = gaussians.draw_of(tf.constant([2]), seeds[1:2])
    np.testing.assert_allclose(together[1:2], alone, rtol=1e-6)


def make_learner(strategy, second):
    keras.utils.set_random_seed(1)
    with strategy.scope():
        layers = [keras.layers.Concatenate(), keras.layers.Dense(3)]
        model = Decoder(keras.Sequential(layers), [1, 1], 0.3)
        first = LatentLikelihood(model, ShortRun(2, 0.01), keras.optimizers.SGD(0.01))
        return SecondStage(first, second(), 0)


def test_one_and_two_replicas_have_the_same_sums(one_replica, two_replicas):
    x = tf.constant(RNG.normal(size=(8, 3)).astype("f4"))
    batch, found = {"image": x, "label": tf.constant(LABELS[:8])}, []
    for strategy in (one_replica, two_replicas):
        learner = make_learner(strategy, lambda: LabelGaussians(2, 3))
        share = 8 // strategy.num_replicas_in_sync

        def slices(value, share=share):
            return lambda c: value[c.replica_id_in_sync_group * share :][:share]

        parts = {
            name: strategy.experimental_distribute_values_from_function(slices(value))
            if share < 8
            else value
            for name, value in batch.items()
        }
        step = compile_step(strategy, learner.train_step, SEED)
        for k in range(2):
            step(parts, tf.constant(k))
        found.append([v.numpy() for name, v in learner.state.items() if name.startswith("second")])
    assert len(found[0]) == 3 and np.sum(found[0][0]) == 2 * np.sum(LABELS[:8] >= 0)
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_a_second_stage_of_them_makes_observations_of_a_label(one_replica):
    gaussians = learned()
    learner = make_learner(one_replica, lambda: gaussians)
    assert can(learner, SamplesLabels)
    labels = tf.constant([2, 0, 2])
    expected = learner.decode(tf.split(gaussians.draw_of(labels, SEED), 2, axis=1))
    np.testing.assert_array_equal(learner.sample_of(labels, SEED), expected)
    mixture = MixtureFit(GaussianMixture(2, 1), keras.optimizers.Adam())
    assert not can(make_learner(one_replica, lambda: mixture), SamplesLabels)


@pytest.mark.parametrize("sizes", [(0, 2), (2, 0)])
def test_sizes_below_one_are_refused(sizes):
    with pytest.raises(InputError, match="choose numbers from 1 on"):
        LabelGaussians(*sizes)
