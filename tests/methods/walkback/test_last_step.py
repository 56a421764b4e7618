"""Tests of samples without the noise of their last step."""

import keras
import numpy as np
import pytest

import linear_walk
from linear_walk import Linear, has_variance
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.evals.features.quality import FeatureDistances
from tf_shortrun.evals.pictures.tiles import grid
from tf_shortrun.kernels.walk import Heating
from tf_shortrun.methods.walkback.corruption import NoiseTransition
from tf_shortrun.methods.walkback.denoising import Denoising
from tf_shortrun.methods.walkback.last_step import MeanDistances, MeanGrid, Means

SEED = noise.make_seed(0)
IMAGE = (4, 4, 1)


def learner(shape=(1,), variance=1e-3):
    return linear_walk.learner(0.6, variance, Heating(8.0, 0), shape)


def test_samples_differ_from_the_means_by_the_noise_of_one_step():
    means, samples = (thing.sample(20_000, SEED) for thing in (Means(learner()), learner()))
    assert has_variance(samples - means, 1e-3)
    assert not has_variance(samples - means, 1.1e-3)
    assert has_variance(means, 0.36 * 1e-3 * (2 + 0.36 * (4 + 0.36 * 1e3)))
    assert np.abs(Means(learner(variance=1.0)).sample(1_000, SEED)).max() == 1.0


def test_distances_are_those_of_the_means(monkeypatch):
    def variance(self, sampler, dataset, seed):
        return {"frechet/pixels": float(np.mean(np.square(sampler.sample(20_000, seed))))}

    monkeypatch.setattr(FeatureDistances, "__call__", variance)
    monkeypatch.setattr(FeatureDistances, "protocol", lambda *_: {"frechet/pixels": "Of draws."})
    judge = MeanDistances(FeatureDistances(None, 10, 10))
    found = judge(learner(), None, SEED)
    expected = np.mean(np.square(Means(learner()).sample(20_000, SEED)))
    assert found == {"frechet/pixels/mean": pytest.approx(expected)}
    number = explain(judge, found, None)["frechet/pixels/mean"]
    assert number.better == "lower" and "means of the last step" in number.made


def test_the_picture_has_the_samples_above_their_means():
    thing = learner(IMAGE)
    picture = MeanGrid(5)(thing, None, SEED)["last_step"]
    for half, images in zip(np.split(picture[1:-1], 2), (thing, Means(thing)), strict=True):
        np.testing.assert_array_equal(half[1:-1], grid(images.sample(5, SEED), 5)[2:-2])


def test_a_learner_whose_last_step_is_two_operators_is_refused():
    gsn = Denoising(Linear(0.5, 0.1), NoiseTransition((1,), 1.0), keras.optimizers.SGD(0.1), 3)
    with pytest.raises(InputError, match="^Denoising is not a learner that samples by steps"):
        Means(gsn)
