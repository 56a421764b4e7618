"""Your own decoder: kinds of networks, precision, observations, layers that are refused, saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tf_shortrun as sr
from tf_shortrun.networks.observation import LogisticMixture, signs

RNG = np.random.default_rng(0)
X = RNG.uniform(-1, 1, [40, 6]).astype(np.float32)
Z = RNG.normal(size=[5, 2]).astype(np.float32)


def sequential(*between):
    first, last = keras.layers.Dense(8, "gelu"), keras.layers.Dense(6, "tanh")
    return keras.Sequential([first, *between, last])


def functional():
    z = keras.Input([2])
    return keras.Model(z, keras.layers.Dense(6, "tanh")(keras.layers.Dense(8, "gelu")(z)))


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.last = keras.layers.Dense(8, "gelu"), keras.layers.Dense(6, "tanh")

    def call(self, z):
        return self.last(self.first(z))


NETWORKS = (sequential, functional, Subclassed)


def fitted(model, x=X, num_steps=3):
    learner = sr.LatentLikelihood(model, sr.ShortRun(3, 0.01), keras.optimizers.Adam(1e-2))
    return sr.fit(learner, x, num_steps=num_steps, batch_size=20)


@pytest.fixture
def mixed():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("network", NETWORKS)
def test_any_kind_of_network_learns(network):
    run = fitted(sr.Decoder(network(), [2], sigma=0.3))
    assert run.sample(7).shape == (7, 6) and np.isfinite(run.score(X)).all()


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize("network", NETWORKS)
def test_a_global_policy_of_low_precision_reaches_the_network_only(network):
    model = sr.Decoder(network(), [2], sigma=0.3)
    assert model.network.compute_dtype == "bfloat16"
    run = fitted(model)
    assert run.sample(7).dtype == np.float32 and np.isfinite(run.score(X)).all()


@pytest.mark.parametrize("network", NETWORKS)
def test_a_decoder_is_saved_and_loaded(network, tmp_path):
    model = fitted(sr.Decoder(network(), [2], sigma=0.3)).learner.model
    model.sigma.assign(0.2)
    model.save(tmp_path / "decoder.keras")
    again = keras.models.load_model(tmp_path / "decoder.keras")
    np.testing.assert_array_equal(model([Z]), again([Z]))
    assert again.latent_widths == [2] and float(again.sigma) == pytest.approx(0.2)
    fitted(again)


@pytest.mark.parametrize(
    ("observation", "outputs"), [(signs, 4), (LogisticMixture(2, 256), 24)], ids=["signs", "levels"]
)
def test_another_observation_is_learned_scored_and_saved(observation, outputs, tmp_path):
    layers = [keras.layers.Dense(outputs), keras.layers.Reshape((2, 2, -1))]
    model = sr.Decoder(keras.Sequential(layers), [2], observation=observation)
    x = np.where(RNG.uniform(size=[40, 2, 2, 1]) < 0.9, 1.0, -1.0)
    assert model.image_shape == [2, 2, 1]
    before = fitted(model, x, num_steps=1).score(x).mean()
    run = fitted(model, x, num_steps=60)
    assert run.score(x).mean() < before - 0.5
    expected = model.log_prior([Z]) + observation(model.network(Z)).log_prob(x[:5])
    joint = model.log_joint([Z], tf.constant(x[:5], tf.float32))
    np.testing.assert_allclose(joint, expected, rtol=1e-5)
    model.save(tmp_path / "decoder.keras")
    again = keras.models.load_model(tmp_path / "decoder.keras")
    np.testing.assert_array_equal(model([Z]), again([Z]))


def test_only_pixels_that_do_not_depend_on_each_other_can_be_hidden():
    def model(observation, outputs):
        layers = [keras.layers.Dense(outputs), keras.layers.Reshape((2, 2, -1))]
        return sr.Decoder(keras.Sequential(layers), [2], observation=observation)

    x, mask = tf.ones([5, 2, 2, 1]), tf.constant([[True, False], [False, False]])[None, ..., None]
    bits = model(signs, 4)
    seen = bits.likelihood([Z]).distribution.log_prob(x)[:, 0, 0, 0]
    np.testing.assert_allclose(bits.log_joint([Z], x, mask), bits.log_prior([Z]) + seen, rtol=1e-5)
    with pytest.raises(sr.InputError, match="none can be hidden"):
        model(LogisticMixture(1, 4), 12).log_joint([Z], x, mask)
    with pytest.raises(sr.InputError, match="needs a normal observation"):
        bits.normal_sigma()


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (keras.layers.BatchNormalization(), "never updated here: use GroupNormalization"),
        (keras.layers.SpectralNormalization(keras.layers.Dense(8)), "never updated here"),
        (keras.layers.Dropout(0.5), "never acts here"),
        (keras.layers.GaussianNoise(0.5), "never acts here"),
        (keras.Sequential([keras.layers.BatchNormalization()]), "never updated here"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_layer_that_behaves_otherwise_in_training_is_refused_unless_frozen(layer, words):
    with pytest.raises(sr.InputError, match=words):
        sr.Decoder(sequential(layer), [2], sigma=0.3)
    layer.trainable = False
    sr.Decoder(sequential(layer), [2], sigma=0.3)


@pytest.mark.parametrize("given", [{}, {"sigma": 0.3, "observation": signs}])
def test_either_sigma_or_an_observation_is_given(given):
    with pytest.raises(sr.InputError, match="either sigma or an observation"):
        sr.Decoder(sequential(), [2], **given)


def test_outputs_that_do_not_fit_the_mixture_are_refused():
    network = keras.Sequential([keras.layers.Dense(20), keras.layers.Reshape((2, 2, 5))])
    with pytest.raises(sr.InputError, match="^the decoder makes 5 .* 6 for grey .* 14 for colour"):
        sr.Decoder(network, [2], observation=LogisticMixture(2, 256))
