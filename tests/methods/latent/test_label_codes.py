"""Tests of LabelCodes: the mixture by hand and by quadrature, draws, counts, learning."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from label_coded import LabelCoded
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.energy_prior import EnergyPrior
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.training.steps import compile_step

SEED = noise.make_seed(3)
LABELS = np.array([0, 0, 0, 1, -1, 2, 1, 0], np.int32)
A = 1.5


def make(widths=(1, 2), num_labels=3, distance=A):
    return LabelCoded(keras.layers.Dense(4), widths, 0.5, num_labels, distance)


def counted(model, labels=LABELS):
    model.label_codes.count(tf.constant(labels))
    return model


def normal(z, mean):
    return np.exp(-0.5 * np.sum((z - mean) ** 2, axis=-1)) / (2 * np.pi) ** (z.shape[-1] / 2)


def codes(model):
    """Returns a e_y, which every draw without noise would be."""
    return model.prior[0].components_distribution.mean().numpy()


def test_the_prior_is_the_mixture_by_hand_and_normalised():
    model = counted(make())
    shares = np.array([5, 3, 2]) / 10  # counts 4, 2, 1, and one more each
    grid = np.linspace(-9, 9, 4001, dtype="f4")[:, None]
    below = np.full([4001, 2], [0.3, -1.0], "f4")
    density = np.exp(model.log_prior([grid, below]))
    by_hand = sum(p * normal(grid, code) for p, code in zip(shares, codes(model), strict=True))
    np.testing.assert_allclose(density, by_hand * normal(below, 0.0), rtol=2e-4)
    assert np.trapezoid(density / normal(below, 0.0), grid[:, 0]) == pytest.approx(1, abs=1e-4)


def test_a_label_is_one_more_observation():
    model = counted(make((3,)))
    z = noise.normal(SEED, [3, 3])
    x = noise.normal(noise.make_seed(4), [3, 4])
    without = model.log_joint_of({"image": x})([z])
    given = model.log_joint_of({"image": x, "label": tf.constant([2, -1, 0])})([z])
    shares = np.array([5, 3, 2]) / 10
    joint = np.stack([p * normal(z, c) for p, c in zip(shares, codes(model), strict=True)])
    posterior = np.log(joint / joint.sum(0))
    expected = [posterior[2, 0], 0.0, posterior[0, 2]]
    np.testing.assert_allclose(given - without, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.label_codes.log_label(z), posterior.T, rtol=1e-4, atol=1e-5)


def test_codes_are_as_far_as_asked_and_orthogonal_where_they_can_be():
    wide = codes(make((5,)))
    np.testing.assert_allclose(wide @ wide.T, A**2 * np.eye(3), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(codes(make((2,))), axis=1), A, rtol=1e-5)
    np.testing.assert_array_equal(wide, codes(make((5,))))  # in every run


def test_draws_of_labels_and_of_none():
    model = counted(make((3,)))
    one = model.sample_latents(4000, SEED, tf.fill([4000], 2))[0].numpy()
    np.testing.assert_allclose(one.mean(0), codes(model)[2], atol=0.06)
    np.testing.assert_allclose(np.cov(one.T), np.eye(3), atol=0.08)
    any_label = model.sample_latents(4000, SEED)[0].numpy()
    shares = np.array([5, 3, 2]) / 10
    np.testing.assert_allclose(any_label.mean(0), shares @ codes(model), atol=0.08)
    batch = {"image": tf.zeros([2, 4]), "label": tf.constant([2, 2])}
    started = model.start_of(batch, SEED)[0]
    np.testing.assert_array_equal(started, model.sample_latents(2, SEED, batch["label"])[0])


def test_counts_are_those_of_all_replicas(one_replica, two_replicas):
    for strategy in (one_replica, two_replicas):
        with strategy.scope():
            model = make((2,))
        parts = np.split(LABELS, strategy.num_replicas_in_sync)
        labels = strategy.experimental_distribute_values_from_function(
            lambda c, parts=parts: tf.constant(parts[c.replica_id_in_sync_group])
        )
        strategy.run(model.label_codes.count, (labels,))
        np.testing.assert_array_equal(model.label_codes.counts, [4, 2, 1])


def test_it_learns_images_of_a_label(one_replica):
    """Each label has one image. A model that ignored the label would make their mean."""
    images = np.array([[1, -1, 1, 1], [-1, 1, 1, -1], [-1, -1, -1, 1]], "f4") * 0.8
    with one_replica.scope():
        model = make((4,), distance=4.0)
        chain = ShortRun(5, 0.01)
        learner = LatentLikelihood(model, chain, keras.optimizers.Adam(0.03))
    labels = np.tile([0, 1, 2], 10).astype(np.int32)
    batch = {"image": tf.constant(images[labels]), "label": tf.constant(labels)}
    step = compile_step(one_replica, learner.train_step, SEED)
    for k in range(150):
        step(batch, tf.constant(k))
    drawn = tf.reshape(learner.sample_of(tf.repeat([0, 1, 2], 50), SEED), [3, 50, 4])
    np.testing.assert_allclose(tf.reduce_mean(drawn, axis=1), images, atol=0.25)
    np.testing.assert_array_equal(learner.label_counts(), [1500] * 3)


@pytest.mark.parametrize(("num_labels", "distance"), [(0, 1.0), (3, 0.0), (3, float("nan"))])
def test_numbers_that_make_no_sense_are_refused(num_labels, distance):
    with pytest.raises(InputError, match="choose at least one label, and a positive distance"):
        make(num_labels=num_labels, distance=distance)


def test_an_energy_prior_takes_no_codes():
    with pytest.raises(InputError, match="without label_codes"):
        EnergyPrior(make(), keras.Sequential([keras.layers.Dense(1)]))
