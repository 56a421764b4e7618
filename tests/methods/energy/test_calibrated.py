"""Tests of Calibrated: an energy in nats in closed form, the two stages, what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from energy_toy import Bowl, linear_energy, linear_generator, point_generator, sgd, values
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import HasEnergy, Learner, Scores, Staged
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.energy.calibrated import Calibrated
from tf_shortrun.methods.energy.contrast import Difference, Ranking
from tf_shortrun.methods.energy.energy import Energy
from tf_shortrun.methods.energy.information import Channel
from tf_shortrun.methods.energy.max_entropy import MaxEntropy

SEED = noise.make_seed(0)
DATA = 0.2 * noise.normal(noise.make_seed(4), [500, 2])
RANKING = Ranking(1000, (0.05, 0.2, 0.8))


def make(generator, energy=None, contrast=RANKING, num_first_steps=1):
    terms = Channel(0.1, 4), Difference(0.1)
    first = MaxEntropy(linear_energy(), generator, *terms, sgd(0.1), sgd(0.1), 1.0, 1)
    energy = energy or Energy(Bowl(), (2,))
    adam = keras.optimizers.Adam(0.05, beta_1=0.5, beta_2=0.9)
    return Calibrated(first, energy, contrast, adam, num_first_steps)


def test_the_energy_has_the_curvature_of_the_data_for_a_generator_that_is_wrong():
    """Data N(0, .2^2 I), samples at one wrong point: E = a ||x||^2 / 2 has a = 1 / .2^2 = 25."""
    learner = make(point_generator([0.3, 0.0]))
    step = tf.function(learner.train_step)
    found = []
    for k in range(200):
        step({"image": DATA}, noise.fold(SEED, k))
        ends = learner.energy(tf.constant([[0.1, 0.0], [0.0, 0.0]])).numpy()
        found.append(2 * (ends[0] - ends[1]) / 0.1**2)
    expected = 2 / np.mean(np.sum(DATA.numpy() ** 2, axis=1))
    assert np.mean(found[-100:]) == pytest.approx(expected, rel=0.05)


def models(learner):
    return {name: values(v) for name, v in learner.state.items() if isinstance(v, keras.Model)}


def test_each_stage_changes_its_own_networks_only():
    learner = make(linear_generator(0.1 * np.eye(2)), num_first_steps=2)
    names = {"energy", "generator"}, {"calibrated_energy"}
    for step in range(1, 5):
        before = models(learner)
        learner.update_at(step)({"image": DATA}, SEED)
        after = models(learner)
        moved = {name for name in before if np.any(before[name][0] != after[name][0])}
        assert moved == names[step > 2]


def test_samples_are_those_of_the_first_learner_and_scores_are_the_second_energy():
    learner = make(linear_generator(0.1 * np.eye(2)))
    assert all(can(learner, protocol) for protocol in (Learner, Scores, HasEnergy, Staged))
    assert learner.image_shape == (2,)
    np.testing.assert_array_equal(learner.sample(5, SEED), learner._first.sample(5, SEED))
    squares = np.sum(DATA.numpy() ** 2, axis=1)
    np.testing.assert_allclose(learner.score({"image": DATA}, SEED), squares / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"num_first_steps": -1}, "num_first_steps is -1"),
        ({"energy": linear_energy(np.ones(3), (3,))}, r"makes \(2,\) and the energy takes \(3,\)"),
        ({"contrast": Difference(1.0, "pixel")}, "penalty_reduction is pixel"),
    ],
)
def test_bad_arguments_are_refused(bad, message):
    with pytest.raises(InputError, match=message):
        make(point_generator([0.3, 0.0]), **bad)
