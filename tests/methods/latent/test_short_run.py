import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun

WEIGHTS = np.random.default_rng(0).normal(size=(3, 5)).astype("f4")


def linear_model(sigma=1.0):
    """Returns x = z W + e: its posterior is Gaussian with precision I + W W^T / sigma^2."""
    dense = keras.layers.Dense(
        5, use_bias=False, kernel_initializer=keras.initializers.Constant(WEIGHTS)
    )
    return Decoder(keras.Sequential([dense]), latent_widths=[3], sigma=sigma)


def test_distribution_of_the_short_run_on_a_linear_model():
    """z_K | x is Gaussian with mean and covariance from the K-step recursion."""
    x = np.array([1.0, -1.0, 0.5, 0.0, 2.0], "f4")
    num, num_steps, s = 40000, 6, 0.05
    batch = {"image": tf.tile(x[None], [num, 1])}
    ends = ShortRun(num_steps, s)(linear_model(), batch, noise.make_seed(0)).latents[0].numpy()
    move = np.eye(3) - s * (np.eye(3) + WEIGHTS @ WEIGHTS.T)
    mean, covariance = np.zeros(3), np.eye(3)
    for _ in range(num_steps):
        mean = move @ mean + s * WEIGHTS @ x
        covariance = move @ covariance @ move.T + 2 * s * np.eye(3)
    np.testing.assert_allclose(ends.mean(0), mean, atol=4 * np.sqrt(covariance.max() / num))
    np.testing.assert_allclose(np.cov(ends.T), covariance, atol=6 * covariance.max() / np.sqrt(num))


def test_chains_start_from_new_prior_noise():
    tiny = ShortRun(1, 1e-12)
    batch = {"image": tf.zeros([5000, 5])}
    first = tiny(linear_model(), batch, noise.make_seed(0)).latents[0]
    again = tiny(linear_model(), batch, noise.make_seed(0)).latents[0]
    other = tiny(linear_model(), batch, noise.make_seed(1)).latents[0]
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 0.5
    assert np.abs(np.cov(first.numpy().T) - np.eye(3)).max() < 0.1


def test_longer_chains_have_a_higher_log_joint_and_the_same_first_steps():
    model, batch, seed = linear_model(0.3), {"image": tf.ones([500, 5])}, noise.make_seed(0)
    once, four_times = (ShortRun(3, 0.01).chain(model, batch, seed, times) for times in (1, 4))
    assert once.info.log_prob.shape == (3, 500) and four_times.info.log_prob.shape == (12, 500)
    np.testing.assert_allclose(once.info.log_prob, four_times.info.log_prob[:3], rtol=1e-5)
    assert four_times.metrics["log_joint_gain"] > once.metrics["log_joint_gain"] > 0


def test_latents_are_constants():
    model, batch = linear_model(), {"image": tf.ones([2, 5])}
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(ShortRun(2, 0.1)(model, batch, noise.make_seed(0)).latents[0])
    assert tape.gradient(total, model.trainable_variables) == [None]


@pytest.mark.parametrize(
    ("step_size", "expected"),
    [
        (0.1, [[0.1, 0.1]] * 3),
        ((0.1, 0.2), [[0.1, 0.2]] * 3),
        ([[0.3], [0.2], [0.1]], [[0.3, 0.3], [0.2, 0.2], [0.1, 0.1]]),
    ],
)
def test_step_sizes_broadcast_to_steps_and_layers(step_size, expected):
    np.testing.assert_allclose(ShortRun(3, step_size).step_sizes(2), expected)


def test_steps_beyond_num_steps_use_the_last_step_size():
    sizes = ShortRun(2, [[0.2], [0.1]]).step_sizes(1, times=3)
    np.testing.assert_allclose(sizes[:, 0], [0.2, 0.1, 0.1, 0.1, 0.1, 0.1])


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ((0, 0.1), "num_steps"),
        ((3, -0.1), "step_size"),
        ((3, float("nan")), "step_size"),
        ((3, (0.1, 0.1, 0.1)), "step_size"),
        ((3, [[0.1], [0.1]]), "step_size"),
    ],
)
def test_bad_arguments_are_refused(arguments, culprit):
    with pytest.raises(InputError, match=culprit):
        ShortRun(*arguments).step_sizes(2)
