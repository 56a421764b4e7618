"""Tests of generators whose first outputs have the mean colour of the data."""

import functools

import keras
import numpy as np
import pytest

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import StartsAtMean
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.methods.latent.blocks import GaussianConditional, released_std
from tf_shortrun.methods.latent.energy_prior import EnergyPrior
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.mixture import GaussianMixture
from tf_shortrun.methods.latent.second_stage import MixtureFit, SecondStage
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.top_down import TopDownGenerator
from tf_shortrun.training.course import Course
from tf_shortrun.training.train import train

CONDITIONAL = functools.partial(GaussianConditional, std_fn=released_std)
MEAN = np.array([-0.8, 0.3], np.float32)


def generator(starts_at_mean):
    keras.utils.set_random_seed(0)
    return TopDownGenerator(
        (8, 8, 2), (3, 4), 16, 1, CONDITIONAL, sigma=0.15, starts_at_mean=starts_at_mean
    )


def learner(starts_at_mean=True, rate=1e-3):
    model = generator(starts_at_mean)
    return LatentLikelihood(model, ShortRun(2, 0.001), keras.optimizers.Adam(rate))


def colour(model):
    """Returns the mean colour of 200 first outputs."""
    return np.mean(model(model.sample_latents(200, noise.make_seed(1))), axis=(0, 1, 2))


def test_the_first_outputs_have_the_mean_colour_only_if_asked():
    for asked in (True, False):
        one = learner(asked)
        assert can(one, StartsAtMean) is asked
    one.model.upsampling.start_at(MEAN * 0)
    assert np.abs(colour(one.model) - MEAN).max() > 0.3
    asking = learner(True)
    asking.start_at(MEAN)
    assert np.abs(colour(asking.model) - MEAN).max() < 0.15


def test_an_energy_prior_and_a_second_stage_pass_it_on():
    for asked in (True, False):
        prior = EnergyPrior(generator(asked), keras.Sequential([keras.layers.Dense(1)]))
        fit = MixtureFit(GaussianMixture(7, 1), keras.optimizers.Adam())
        staged = SecondStage(learner(asked), fit, 1)
        assert can(prior, StartsAtMean) is can(staged, StartsAtMean) is asked
        if asked:
            prior.start_at(MEAN)
            staged.start_at(MEAN)
            for model in (prior.generator, staged.first.model):
                bias = model.upsampling.layers[-1].bias.numpy()
                np.testing.assert_allclose(np.tanh(bias), MEAN, atol=1e-6)


def white_or(value, num=20):
    images = np.full([num, 8, 8, 2], 255, np.uint8)
    images[..., 0] = value
    return Split(images, np.full(num, -1, np.int32))


def test_the_mean_colour_of_a_data_set_is_on_the_scale_of_the_outputs():
    data = Dataset("flat", white_or(51), white_or(0))
    np.testing.assert_allclose(data.mean_colour, [-0.6, 1.0], atol=1e-6)
    floats = Split(np.zeros([3, 2], np.float32) + MEAN, np.zeros(3, np.int32))
    np.testing.assert_allclose(Dataset("points", floats, floats).mean_colour, MEAN, atol=1e-6)


@pytest.mark.parametrize("asked", [True, False])
def test_training_sets_it_before_the_first_update_and_not_when_it_resumes(
    asked, tmp_path, one_replica
):
    """At a rate near 0 the bias is what it was set to; one that moved since stays."""
    data = Dataset("flat", white_or(51), white_or(0))

    def run(num_steps):
        course = Course(dataset=data, batch_size=4, num_steps=num_steps, seed=0, checkpoint_every=1)
        with one_replica.scope():
            one = learner(asked, rate=1e-9)
        train(course, one_replica, one, tmp_path)
        return one.model.upsampling.layers[-1].bias

    bias = run(1)
    first = np.tanh(bias.numpy())
    assert np.allclose(first, [-0.6, 0.99], atol=1e-5) is asked
    again = run(2).numpy()
    np.testing.assert_allclose(np.tanh(again), first, atol=1e-5)
