"""Signatures for TensorFlow Lite: its interpreter gives the numbers of the SavedModel."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import erf

from tf_shortrun.cli import config
from tf_shortrun.core.errors import InputError
from tf_shortrun.export import lite
from tf_shortrun.export.saved_model import export

pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def rae(tmp_path_factory):
    """A real encoder without noise, and a generator with activations that XLA compiled."""
    small = ["FEATURES = 4", "top_down.TopDownGenerator.latent_widths = (3,)", "NUM_LATENTS = 3"]
    learner = config.load(["reproduce/rae_digits.gin"], small).build(tf.distribute.get_strategy())
    for weights in learner.state["encoder"].variables:  # as made, the encoder gives zeros
        weights.assign_add(RNG.normal(scale=0.1, size=weights.shape))
    folder = export(learner, tmp_path_factory.mktemp("rae"), "rae")
    return folder, tf.saved_model.load(str(folder))


def in_lite(folder, signature, **inputs):
    interpreter = tf.lite.Interpreter(model_content=lite.convert(folder, signature))
    return interpreter.get_signature_runner(signature)(**inputs)


def check_equal(found, signature, **inputs):
    wanted = signature(**{name: tf.constant(x) for name, x in inputs.items()})
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert np.std(value) > 1e-3
        np.testing.assert_allclose(found[name], value, atol=1e-5)


@pytest.mark.parametrize("num", [1, 5])
def test_decode_gives_the_same_images(rae, num):
    folder, model = rae
    z = {"layer0": RNG.normal(size=[num, 3]).astype(np.float32)}
    check_equal(in_lite(folder, "decode", **z), model.signatures["decode"], **z)


def test_encode_without_noise_gives_the_same_latents(rae):
    folder, model = rae
    x = RNG.uniform(-1, 1, [4, 8, 8, 1]).astype(np.float32)
    inputs = {"image": x, "seed": np.arange(8, dtype=np.int32).reshape(4, 2)}
    check_equal(in_lite(folder, "encode", **inputs), model.signatures["encode"], **inputs)


def test_decode_of_a_chain_converts_and_its_encode_is_refused_in_one_line(served):
    z = {"layer0": RNG.normal(size=[2, 3]).astype(np.float32)}
    check_equal(in_lite(served.folder, "decode", **z), served.signatures["decode"], **z)
    with pytest.raises(InputError, match=r"cannot do what encode needs \(\w+") as error:
        lite.convert(served.folder, "encode")
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


def test_what_is_not_there_is_one_line(served, tmp_path):
    with pytest.raises(InputError, match="is no exported model"):
        lite.convert(tmp_path, "decode")
    with pytest.raises(InputError, match="has no signature dekode: did you mean decode"):
        lite.convert(served.folder, "dekode")


def test_erf_by_exp_is_precise_to_rounding():
    x = np.linspace(-6, 6, 10001, dtype=np.float32)
    assert np.abs(lite._erf(tf.constant(x)) - erf(x.astype(np.float64))).max() < 6e-7
