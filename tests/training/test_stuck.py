"""A generator whose outputs are all at their limits cannot learn: its run goes back, or stops."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core.errors import DivergenceError
from tf_shortrun.core.stuck import STUCK, is_stuck
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.training import rollback
from tf_shortrun.training.breaks import first_break
from toy_training import rows, run_learner

FAR_TOO_HIGH = 64.0  # Adam moves the output bias by this, and tanh has no gradient beyond 4


def make(rate=FAR_TOO_HIGH):
    network = keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(4, "tanh")])
    model = Decoder(network, latent_widths=[2], sigma=0.3)
    return LatentLikelihood(model, ShortRun(3, 0.01), keras.optimizers.Adam(rate))


@pytest.mark.parametrize(
    ("outputs", "images", "expected"),
    [
        ([-1.0, -1.0], [-0.9, 0.2], 1.0),  # black
        ([-1.0, 1.0], [0.5, -0.5], 1.0),  # black and white, and wrong
        ([-1.0, 1.0], [-1.0, 1.0], 0.0),  # black and white, and right
        ([-0.99, -0.99], [-0.9, 0.2], 0.0),  # dark, but with a gradient
        ([-3.0, -3.0], [-0.9, 0.2], 0.0),  # without tanh
    ],
)
def test_by_hand(outputs, images, expected):
    as_image = lambda values: tf.reshape(tf.constant(values), [2, 1, 1, 1])  # noqa: E731
    assert is_stuck(as_image(images), as_image(outputs)) == expected


@pytest.mark.parametrize(
    ("stuck", "saving", "place"),
    [([1, 1], False, 1), ([0, 1], False, None), ([0, 1], True, 1), ([1, 0], True, None)],
)
def test_a_generator_may_recover_but_is_not_saved_before_it_does(stuck, saving, place):
    found = first_break([{"loss": 1.0, STUCK: float(s)} for s in stuck], saving)
    assert (found and found[0]) == place


def test_a_number_that_is_not_finite_comes_first():
    assert first_break([{"a": 1.0, STUCK: 1.0}, {"a": np.nan, STUCK: 1.0}], False) == (
        1,
        "a not finite",
    )
    assert first_break([{"a": 1.0}], True) is None


def test_without_rollbacks_the_run_stops(tmp_path, one_replica):
    line = "^all outputs at limits without a gradient in update 4 .*: lower the step size or the"
    with pytest.raises(DivergenceError, match=line):
        run_learner(tmp_path, 8, one_replica, make=make)
    assert not list(tmp_path.glob("checkpoints/ckpt*"))


def test_it_goes_back_until_its_rate_is_low_enough(tmp_path, one_replica):
    learner, history = run_learner(tmp_path, 8, one_replica, make=make, max_rollbacks=12)
    made = rollback.read(tmp_path / "checkpoints", 8)
    assert history.step == 8 and 2 <= len(made) <= 10
    assert {r.what for r in made} == {"all outputs at limits without a gradient"}
    rate = float(tf.convert_to_tensor(learner.optimizer.learning_rate))
    assert rate == FAR_TOO_HIGH / 2 ** len(made)
    assert all(STUCK not in row for row in rows(tmp_path))  # no curve of zeros in the report
