"""Variables have names that a reader finds in the networks, in every method."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.training import variables
from tf_shortrun.training.checkpoint import Checkpoints
from tools.small_pins import SMALL_PINS, VARIANTS, build


@pytest.mark.parametrize("method", [*SMALL_PINS, *VARIANTS])
def test_every_variable_of_a_checkpoint_has_a_name_of_its_own(method, one_replica, tmp_path):
    """What an optimizer keeps for a weight is called after it, even where shapes are equal."""
    _, learner = build(method, one_replica)
    names = [name for name, _ in variables.named(learner.state)]
    assert len(set(names)) == len(names)
    Checkpoints(learner, tmp_path).save(0)
    written = tf.train.load_checkpoint(str(tmp_path / "ckpt-00000000")).get_variable_to_shape_map()
    assert len(names) == len(written.keys() - {"_CHECKPOINTABLE_OBJECT_GRAPH"})
    shapes = {name: variable.shape for name, variable in variables.named(learner.state)}
    own = [name for name in names if " of " not in name]
    for optimizer in variables.optimizers(learner.state):
        for weight in optimizer._trainable_variables:
            (name,) = [n for n in own if _is(learner.state, n, weight)]
            assert {f"momentum of {name}", f"velocity of {name}"} <= set(names)
            assert shapes[f"momentum of {name}"] == weight.shape
    left = {name.rpartition("/")[2] for name in own if name.startswith("adam")}
    assert left <= {"iteration", "learning_rate"}


def _is(state, name, weight):
    return any(n == name and v is weight for n, v in variables.named(state))


def test_a_slot_is_named_after_the_longest_path_that_fits():
    short, long = (keras.Variable(np.zeros(2), name=name) for name in ("a", "a_b"))
    optimizer = keras.optimizers.Adam()
    optimizer.build([short, long])
    state = {"optimizer": optimizer, "model": type("Part", (), {"variables": [short, long]})()}
    dict(variables.named(state))["velocity of model: a_b"].assign([0.0, np.inf])
    assert variables.first_not_finite(state) == "velocity of model: a_b"
    short.assign([np.nan, 0.0])
    assert variables.first_not_finite(state) == "model: a and 1 more"


def test_a_variable_that_is_not_of_keras_is_named_after_its_part():
    state = {"bank_0": tf.Variable([np.nan]), "count": tf.Variable(3)}
    assert variables.first_not_finite(state) == "bank_0"
    state["bank_0"].assign([1.0])
    assert variables.first_not_finite(state) is None
