"""Tests that exports give the outputs of the learner, in Python and in C++, and check inputs."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from exported import (
    SEED,
    SHAPE,
    Fake,
    Sampler,
    ask,
    close,
    completed,
    masks,
    network,
    pictures,
    points,
    real,
    run_cc,
)
from serving_double import signature_defs
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.export import checks
from tf_shortrun.export.saved_model import export
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun


@pytest.fixture(scope="module", params=["fake", "two replicas", "latent likelihood"])
def any_export(request, two_replicas, tmp_path_factory):
    """Returns a learner and its SavedModel."""
    if request.param == "two replicas":
        with two_replicas.scope():
            learner = Fake()
            learner.sigma.assign(0.7)
    else:
        learner = Fake() if request.param == "fake" else real()
    return learner, export(learner, tmp_path_factory.mktemp("any"), "any")


@pytest.fixture(scope="module", params=["fake", "energy", "gradient"])
def scoring_export(request, tmp_path_factory):
    """Returns a learner that scores images or points, and its SavedModel."""
    learner = Fake() if request.param == "fake" else points(request.param)
    return learner, export(learner, tmp_path_factory.mktemp("scoring"), "scoring")


@pytest.fixture(scope="module")
def fake_export(tmp_path_factory):
    learner = Fake()
    return learner, export(learner, tmp_path_factory.mktemp("fake"), "short_run")


@pytest.fixture(scope="module")
def fake_loaded(fake_export):
    return tf.saved_model.load(str(fake_export[1]))


def test_inference_is_traced_once_for_each_type_of_its_inputs(tmp_path):
    """With a mask and without, with one seed and with one a row; images are decoded in one way."""
    learner, traces = real(), []
    for name in ("infer", "decode"):
        call = getattr(learner, name)
        setattr(learner, name, lambda *a, name=name, call=call: traces.append(name) or call(*a))
    export(learner, tmp_path, "traced")
    assert sorted(traces) == ["decode", *["infer"] * 4]


def test_python_gives_the_images_of_the_learner(any_export):
    learner, folder = any_export
    loaded, x = tf.saved_model.load(str(folder)).signatures, pictures(5)
    for n in (1, 7):
        made = loaded["sample"](seed=tf.constant(SEED), n=tf.constant(n))["images"]
        assert close(made, learner.sample(n, SEED))
        made = loaded["reconstruct"](image=tf.constant(x[:n]), seed=tf.constant(SEED))["images"]
        assert close(made, learner.reconstruct({"image": x[:n]}, SEED))


def test_python_inpaints_hidden_pixels(any_export):
    learner, folder = any_export
    loaded, x, mask = tf.saved_model.load(str(folder)).signatures["inpaint"], pictures(5), masks(5)
    expected = completed(learner, x, mask)
    assert np.abs(expected - x)[~mask].max() > 0.1
    for hidden in (0.0, np.nan, -np.inf, 255.0):
        image = tf.constant(np.where(mask, x, np.float32(hidden)))
        made = loaded(image=image, mask=tf.constant(mask), seed=tf.constant(SEED))["images"]
        assert close(made, expected) and (made.numpy()[mask] == x[mask]).all()


def test_the_cc_loader_gives_the_images_of_the_learner(any_export):
    learner, folder = any_export
    x = pictures(5)
    requests = [ask(folder, name, seed=SEED, n=7) for name in ("sample", "serving_default")]
    requests += [ask(folder, "reconstruct", seed=SEED, image=x)]
    mask = masks(5)
    hidden = np.where(mask, x, np.float32(np.nan))
    requests += [ask(folder, "inpaint", seed=SEED, image=hidden, mask=mask)]
    answers = run_cc(folder, requests)
    sample, default, reconstruction, completion = (answer["images"] for answer in answers)
    assert close(sample, learner.sample(7, SEED))
    assert sample == default
    assert close(reconstruction, learner.reconstruct({"image": x}, SEED))
    assert close(completion, completed(learner, x, mask))


def test_python_and_the_cc_loader_give_the_scores_of_the_learner(scoring_export):
    learner, folder = scoring_export
    loaded = tf.saved_model.load(str(folder)).signatures["score"]
    x = pictures(3, learner.image_shape)
    answers = run_cc(folder, [ask(folder, "score", image=x[:n], seed=SEED) for n in (1, 3)])
    for n, answer in zip((1, 3), answers, strict=True):
        expected = learner.score({"image": tf.constant(x[:n])}, SEED)
        made = loaded(image=tf.constant(x[:n]), seed=tf.constant(SEED))["scores"]
        assert made.shape == (n,) and close(made, expected) and close(answer["scores"], expected)
    assert np.ptp(expected) > 0.01  # the score depends on the image


def test_wrong_points_are_refused_with_a_reason(tmp_path):
    folder = export(points("gradient"), tmp_path, "points")
    wrong = {"[B 2]": np.zeros([3, 3]), "finite": [[0.0, np.nan]], "as in training": [[0.0, 7.0]]}
    answers = run_cc(folder, [ask(folder, "score", image=x, seed=SEED) for x in wrong.values()])
    for words, answer in zip(wrong, answers, strict=True):
        assert answer["error"].startswith("code 3:") and words in answer["error"]


def test_the_cc_loader_fails_on_a_model_that_only_python_can_load(tmp_path):
    module = tf.Module()
    module.network = network()
    spec = tf.TensorSpec([2], tf.int32)
    sample = tf.function(lambda seed: module.network(noise.normal(seed, [2, 3])), [spec])
    tf.saved_model.save(module, str(tmp_path), {"sample": sample})
    tf.saved_model.load(str(tmp_path)).signatures["sample"](tf.constant(SEED))
    (answer,) = run_cc(tmp_path, [ask(tmp_path, "sample", seed=SEED)])
    assert "Could not find variable" in answer["error"]


def test_loading_needs_only_tensorflow(fake_export):
    learner, folder = fake_export
    script = """if True:
        import json, sys
        blocked = "keras tf_keras tensorflow_probability tensorflow_datasets gin tf_shortrun"
        sys.modules.update(dict.fromkeys(blocked.split()))
        import tensorflow as tf
        x, seed = tf.constant(json.load(sys.stdin)), tf.constant([3, 0])
        loaded = tf.saved_model.load(sys.argv[1])
        made = [loaded.sample(seed, tf.constant(7)), loaded.reconstruct(x, seed)]
        print(json.dumps([m["images"].numpy().tolist() for m in made]))
    """
    x = pictures(2)
    program, data = [sys.executable, "-c", script, folder], json.dumps(x.tolist())
    done = subprocess.run(program, input=data, capture_output=True, text=True)
    sample, reconstruction = json.loads(done.stdout)
    assert close(sample, learner.sample(7, SEED))
    assert close(reconstruction, learner.reconstruct({"image": x}, SEED))


def test_the_seed_determines_the_outputs(fake_export):
    _, folder = fake_export
    loaded, x = tf.saved_model.load(str(folder)), tf.constant(pictures(2))
    calls = [
        lambda s: loaded.sample(s, 3)["images"],
        lambda s: loaded.reconstruct(x, s)["images"],
        lambda s: loaded.score(x, s)["scores"],
    ]
    for make in calls:
        one, again, other = (make(tf.constant([s, 0])).numpy() for s in (3, 3, 4))
        assert (one == again).all() and np.abs(one - other).max() > 0.01


def filled(value, shape=(2, *SHAPE)):
    """Returns images of zeros except for the last value."""
    x = np.zeros(shape, np.float32)
    x.flat[-1:] = value
    return x


REFUSED = {
    "no picture": ("sample", {"n": 0}, "n must be 1 to 4096: ask for more in several calls; it is"),
    "negative": ("sample", {"n": -3}, "n must be 1 to 4096"),
    "one too many": ("sample", {"n": 4097}, "n must be 1 to 4096"),
    "far too many": ("sample", {"n": 10**9}, "n must be 1 to 4096"),
    "list of one": ("sample", {"n": [5]}, "n must be one number"),
    "list": ("sample", {"n": [5, 6]}, "n must be one number"),
    "long seed": (
        "sample",
        {"n": 5, "seed": [1, 2, 3]},
        "seed must be two numbers; it is] [[1 2 3]]",
    ),
    "short seed": ("sample", {"n": 5, "seed": 1}, "seed must be two numbers; it is] [1]"),
    "seed of reconstruct": ("reconstruct", {"image": filled(0), "seed": [1]}, "seed must be two"),
    "NaN": ("reconstruct", {"image": filled(np.nan)}, "image must be finite: remove NaN"),
    "infinite": ("reconstruct", {"image": filled(-np.inf)}, "image must be finite: remove NaN"),
    "bytes": ("reconstruct", {"image": filled(255)}, "take pixel / 127.5 - 1; it reaches] [255]"),
    "too dark": ("reconstruct", {"image": filled(-1.01)}, "image must lie in [-1, 1]"),
    "empty": (
        "reconstruct",
        {"image": filled(0, (0, *SHAPE))},
        "number of images must be 1 to 4096",
    ),
    "turned": (
        "reconstruct",
        {"image": filled(0, (2, 6, 4, 1))},
        "the shape of image must be [B 4 6 1]",
    ),
    "coloured": ("reconstruct", {"image": filled(0, (2, 4, 6, 3))}, "it is] [[2 4 6 3]]"),
    "no batch axis": ("reconstruct", {"image": filled(0, SHAPE)}, "it is] [[4 6 1]]"),
    "scalar": ("reconstruct", {"image": 0.0}, "the shape of image must be [B 4 6 1]"),
    "NaN that is seen": (
        "inpaint",
        {"image": filled(np.nan), "mask": filled(1)},
        "image must be finite: remove NaN",
    ),
    "bytes that are seen": (
        "inpaint",
        {"image": filled(255), "mask": filled(1)},
        "take pixel / 127.5 - 1; it reaches] [255]",
    ),
    "a mask too few": (
        "inpaint",
        {"image": filled(0, (3, *SHAPE)), "mask": filled(1)},
        "the shape of mask must be [B 4 6 1]: give one for each image; it is] [[2 4 6 1]]",
    ),
    "one mask for all": (
        "inpaint",
        {"image": filled(0), "mask": filled(1, (1, *SHAPE))},
        "the shape of mask must be [B 4 6 1]",
    ),
    "masks for one image": (
        "inpaint",
        {"image": filled(0, (1, *SHAPE)), "mask": filled(1)},
        "the shape of mask must be [B 4 6 1]",
    ),
    "a mask for every colour": (
        "inpaint",
        {"image": filled(0), "mask": filled(1, (2, 4, 6, 3))},
        "it is] [[2 4 6 3]]",
    ),
    "a mask without channels": (
        "inpaint",
        {"image": filled(0), "mask": filled(1, (2, 4, 6))},
        "it is] [[2 4 6]]",
    ),
    "turned, masked": (
        "inpaint",
        {"image": filled(0, (2, 6, 4, 1)), "mask": filled(1)},
        "the shape of image must be [B 4 6 1]",
    ),
    "nothing to complete": (
        "inpaint",
        {"image": filled(0, (0, *SHAPE)), "mask": filled(1, (0, *SHAPE))},
        "number of images must be 1 to 4096",
    ),
    "seed of inpaint": (
        "inpaint",
        {"image": filled(0), "mask": filled(1), "seed": [1]},
        "seed must be two",
    ),
    "NaN to score": ("score", {"image": filled(np.nan)}, "image must be finite: remove NaN"),
    "bytes to score": (
        "score",
        {"image": filled(255)},
        "take pixel / 127.5 - 1; it reaches] [255]",
    ),
    "turned, to score": (
        "score",
        {"image": filled(0, (2, 6, 4, 1))},
        "the shape of image must be [B 4 6 1]",
    ),
    "nothing to score": (
        "score",
        {"image": filled(0, (0, *SHAPE))},
        "number of images must be 1 to 4096",
    ),
    "seed of score": ("score", {"image": filled(0), "seed": [1]}, "seed must be two"),
}


def inputs_of(case):
    signature, inputs, words = REFUSED[case]
    return signature, {"seed": SEED, **inputs}, words


@pytest.mark.parametrize("case", REFUSED)
def test_python_refuses_wrong_inputs(fake_loaded, case):
    signature, inputs, words = inputs_of(case)
    types = {"seed": np.int32, "n": np.int32, "image": np.float32, "mask": bool}
    feeds = {name: tf.constant(np.asarray(v, types[name])) for name, v in inputs.items()}
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        fake_loaded.signatures[signature](**feeds)
    assert words in error.value.message


@pytest.fixture(scope="module")
def cc_refusals(fake_export):
    _, folder = fake_export
    asked = [inputs_of(case) for case in REFUSED]
    return dict(
        zip(REFUSED, run_cc(folder, [ask(folder, s, **i) for s, i, _ in asked]), strict=True)
    )


@pytest.mark.parametrize("case", REFUSED)
def test_the_cc_loader_refuses_wrong_inputs(cc_refusals, case):
    error = cc_refusals[case]["error"]
    assert error.startswith("code 3:") and REFUSED[case][2] in error


def test_the_largest_allowed_inputs_are_accepted(fake_loaded):
    seed = tf.constant(SEED)
    assert len(fake_loaded.sample(seed, tf.constant(4096))["images"]) == 4096
    for value in (-1.0005, 1.0005):
        made = fake_loaded.reconstruct(tf.constant(filled(value)), seed)
        assert np.isfinite(made["images"]).all()


def test_a_call_is_bounded_by_its_bytes():
    assert checks.most([28, 28, 1]) == 4096
    assert checks.most([64, 64, 3]) == 2**24 // (64 * 64 * 3 * 4) == 341
    assert checks.most([1024, 1024, 3]) == 1


def test_nan_that_the_model_makes_is_refused(tmp_path):
    learner = Fake()
    folder = export(learner, tmp_path, "broken")
    loaded = tf.saved_model.load(str(folder))
    learner.sigma.assign(np.nan)
    broken = export(learner, tmp_path, "broken")
    assert np.isfinite(loaded.sample(tf.constant(SEED), tf.constant(2))["images"]).all()
    x, seeds = pictures(1), [SEED]
    calls = [ask(broken, "sample", seed=SEED, n=2), ask(broken, "sample_each", seed=seeds)]
    calls += [ask(broken, "score_each", image=x, seed=seeds)]
    for answer in run_cc(broken, calls):
        assert "the model made NaN or infinity of these inputs" in answer["error"]


def test_signatures_match_the_capabilities_of_the_learner(fake_export, tmp_path):
    default = {"sample", "sample_each", "serving_default"}
    scoring = {"score", "score_each"}
    images = {f"{name}{kind}" for name in ("reconstruct", "inpaint") for kind in ("", "_each")}
    everything = default | scoring | images | {"sample_bytes"}
    assert set(signature_defs(fake_export[1])) == everything
    assert set(signature_defs(export(Sampler(), tmp_path / "a", "a"))) == default | {"sample_bytes"}
    of_points = signature_defs(export(points("energy"), tmp_path / "b", "b"))
    assert set(of_points) == default | scoring


def test_points_are_not_inpainted(tmp_path):
    model = Decoder(keras.Sequential([keras.layers.Dense(2)]), [3], sigma=0.3)
    learner = LatentLikelihood(model, ShortRun(5, 0.01), keras.optimizers.Adam())
    signatures = signature_defs(export(learner, tmp_path, "points"))
    assert "reconstruct" in signatures and "inpaint" not in signatures


def test_an_export_has_no_functions_compiled_by_xla(tmp_path):
    learner = Sampler()
    inner = tf.function(learner.sample, jit_compile=True)
    learner.sample = tf.function(lambda num, seed: inner(num, seed))
    folder = export(learner, tmp_path, "short_run")
    assert b"XlaMustCompile" not in (folder / "saved_model.pb").read_bytes()
    (answer,) = run_cc(folder, [ask(folder, "sample", seed=SEED, n=3)])
    assert close(answer["images"], learner.sample(3, SEED))


def test_an_export_has_no_functions_for_gradients(tmp_path):
    """They would double the functions of a chain, which no server calls."""
    learner = Sampler()
    cubed = tf.custom_gradient(lambda x: (x**3, lambda upstream: 3 * x**2 * upstream))
    original = learner.sample
    learner.sample = lambda num, seed: cubed(original(num, seed))
    folder = export(learner, tmp_path, "short_run")
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    assert not saved.meta_graphs[0].graph_def.library.registered_gradients


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "../a", "é", "a\n"])
def test_a_name_that_cannot_be_in_a_url_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="model name"):
        export(Sampler(), tmp_path, name)
