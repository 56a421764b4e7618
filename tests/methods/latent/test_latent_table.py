"""Tests of LatentTable (generative latent optimisation), against its formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.latent_table import LatentTable, into_ball

SEED = noise.make_seed(1)


def model():
    keras.utils.set_random_seed(2)
    return Decoder(keras.Sequential([keras.layers.Dense(4)]), [3], 0.5)


def table(**changes):
    table = LatentTable(**{"num_examples": 5, "step_size": 0.02, "num_test_steps": 7} | changes)
    decoder = model()
    table.build(decoder)
    return table, decoder


def test_only_latents_outside_the_ball_are_projected():
    (a, b) = into_ball([tf.constant([[0.3], [1.2]]), tf.constant([[0.4], [1.6]])])
    np.testing.assert_allclose(tf.concat([a, b], 1), [[0.3, 0.4], [0.6, 0.8]], rtol=1e-6)


def test_a_visit_makes_one_gradient_step_and_stores_the_latents():
    glo, decoder = table()
    x = tf.random.stateless_normal([2, 4], SEED)
    batch = {"image": x, "index": tf.constant([3, 1])}
    before = glo.state["bank_0"].numpy()
    posterior = glo(decoder, batch, SEED)
    (z,) = into_ball([tf.constant(before[[3, 1]])])
    kernel, bias = (w.numpy() for w in decoder.trainable_variables)
    residual = x - (z @ kernel + bias)
    (expected,) = into_ball([z + 0.02 * residual @ kernel.T / 0.25])
    np.testing.assert_allclose(posterior.latents[0], expected, rtol=1e-5)
    with tf.distribute.get_strategy().scope():
        glo.learn(decoder, batch, posterior, SEED)
    after = glo.state["bank_0"].numpy()
    np.testing.assert_array_equal(after[[3, 1]], posterior.latents[0])
    np.testing.assert_array_equal(after[[0, 2, 4]], before[[0, 2, 4]])  # other images are unchanged


def test_an_image_outside_the_table_gets_num_test_steps():
    glo, decoder = table()
    batch = {"image": tf.random.stateless_normal([2, 4], SEED)}
    assert glo(decoder, batch, SEED).info.log_prob.shape[0] == 7
    assert glo.chain(decoder, batch, SEED, times=2).info.log_prob.shape[0] == 14
    errors = [
        float(tf.reduce_mean((batch["image"] - decoder(search.latents)) ** 2))
        for search in (glo.chain(decoder, batch, SEED, n) for n in (1, 8))
    ]
    assert errors[1] < errors[0]


def test_the_chain_has_noise_only_if_noise_scale_is_positive():
    glo, decoder = table()
    batch = {"image": tf.random.stateless_normal([2, 4], SEED)}
    usual, still, noisy = (
        glo.chain(decoder, batch, SEED, 1, scale).latents[0] for scale in (None, 0.0, 1.0)
    )
    np.testing.assert_array_equal(usual, still)
    assert np.abs(noisy - still).max() > 0.01


@pytest.mark.parametrize("changes", [{"step_size": 0.0}, {"num_test_steps": 0}])
def test_bad_arguments_are_refused(changes):
    with pytest.raises(InputError, match="positive size and at least one step"):
        table(**changes)
