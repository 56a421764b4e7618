"""Tests of the network that looks at each pixel once more."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.walkback.local import local
from tf_shortrun.methods.walkback.networks import dense

SHAPE = (2, 3, 1)
STATES = noise.normal(noise.make_seed(0), [4, *SHAPE])


def blind(state_shape, num_outputs):
    """A trunk that does not see the state."""
    return lambda inputs: tf.zeros([tf.shape(inputs[0])[0], *state_shape[:-1], num_outputs])


def test_the_last_layers_measure_distances_from_black_and_white_in_steps():
    """Without hidden layers, outputs are linear in [features, s, e(s + 1), e(1 - s)]."""
    network = local(blind, 2, [], 1, "relu", 0.01, False)(SHAPE, 2)
    log_t = tf.math.log([1.0, 4.0, 1.0, 4.0])
    network([STATES, log_t])
    network.head.set_weights([np.eye(5)[None, None, :, 3:], np.zeros(2)])
    state = tf.fill([4, *SHAPE], -0.98)
    found = network([state, log_t]).numpy()[:, 0, 0]
    np.testing.assert_allclose(found[:2, 0], np.tanh([0.5, 0.25]), rtol=1e-4)
    np.testing.assert_allclose(found[:, 1], 1.0, rtol=1e-4)


def test_rescaled_states_have_the_scale_of_data_at_all_temperatures():
    """Outputs are the state; at width 3 it is divided by sqrt(1 + 9), the distances are not."""
    for rescale, expected in ((True, 6.0 / np.sqrt(10.0)), (False, 6.0)):
        network = local(blind, 2, [], 1, "relu", 1.0, rescale)(SHAPE, 2)
        log_t = tf.math.log(tf.fill([4], 9.0))
        network([STATES, log_t])
        network.head.set_weights([np.eye(5)[None, None, :, 2:4], np.zeros(2)])
        found = network([tf.fill([4, *SHAPE], 6.0), log_t]).numpy()[0, 0, 0]
        np.testing.assert_allclose(found, [expected, np.tanh(7 / 12)], rtol=1e-5)


def far_effect(window):
    """Returns the effect of the first column of 2 x 3 images on the others, and on itself."""
    keras.utils.set_random_seed(0)
    network = local(blind, 2, [8], window, "tanh", 0.5, False)(SHAPE, 3)
    out = network([STATES, tf.zeros([4])])
    assert out.shape == (4, 2, 3, 3)
    changed = network([STATES + tf.one_hot(0, 3)[:, None], tf.zeros([4])])
    return np.abs(changed - out).max(axis=(0, 1, 3))


def test_layers_see_their_window():
    own, near, far = far_effect(1)
    assert own > 1e-2 and near == far == 0
    own, near, far = far_effect(3)
    assert own > 1e-2 and near > 1e-2 and far == 0


def test_the_trunk_connects_pixels():
    keras.utils.set_random_seed(0)
    network = local(dense([8], "tanh", True), 2, [8], 1, "tanh", 0.5, False)(SHAPE, 1)
    log_t = tf.zeros([4])
    out = network([STATES, log_t])
    changed = network([STATES + tf.one_hot(0, 3)[:, None], log_t])
    assert np.abs(changed - out)[:, :, 1:].max() > 1e-3


@pytest.mark.parametrize(("features", "window", "sigma"), [(0, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)])
def test_wrong_settings_are_refused(features, window, sigma):
    with pytest.raises(InputError, match="^features is [^\n]*$"):
        local(blind, features, [8], window, "tanh", sigma, True)
