"""Tests that exports give the outputs of the learner, in Python, in C++ and over HTTP."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from serving_double import serve, signature_defs
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.export.saved_model import export
from tf_shortrun.methods.energy.contrast import Difference
from tf_shortrun.methods.energy.energy import Energy, Generator
from tf_shortrun.methods.energy.information import Channel
from tf_shortrun.methods.energy.max_entropy import MaxEntropy
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.networks.perceptron import perceptron
from tools import query_serving

SHAPE = (4, 6, 1)
SEED = [3, 0]


def network():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential([layers.Input([3]), layers.Dense(24, "tanh"), layers.Reshape(SHAPE)])


class Sampler:
    """A learner that only samples. Its `sigma` is not a Keras variable."""

    image_shape = SHAPE

    def __init__(self):
        self.network = network()
        self.sigma = tf.Variable(0.5, trainable=False)

    def sample(self, num, seed):
        return self.sigma * self.network(noise.normal(seed, [num, 3]))


class Fake(Sampler):
    """A learner that also reconstructs (four gradient steps in a loop), inpaints and scores."""

    def reconstruct(self, batch, seed):
        x = batch["image"]

        def step(k, z):
            with tf.GradientTape() as tape:
                tape.watch(z)
                error = tf.reduce_sum((x - self.network(z)) ** 2)
            xi = noise.normal(noise.fold(seed, k), [tf.shape(x)[0], 3])
            return k + 1, z - 0.1 * tape.gradient(error, z) + 0.01 * self.sigma * xi

        start = noise.normal(seed, [tf.shape(x)[0], 3])
        _, z = tf.while_loop(lambda k, _: k < 4, step, [0, start])
        return self.network(z)

    def inpaint(self, batch, seed):
        """Uses hidden pixels too, so a test fails if their values reach the learner."""
        share = tf.reduce_mean(tf.cast(batch["mask"], tf.float32), axis=[1, 2, 3], keepdims=True)
        return share * self.reconstruct(batch, seed)

    def score(self, batch, seed):
        error = (batch["image"] - self.reconstruct(batch, seed)) ** 2
        return tf.reduce_mean(error, axis=[1, 2, 3])


def real():
    model = Decoder(network(), [3], sigma=0.3)
    return LatentLikelihood(model, ShortRun(5, 0.01), keras.optimizers.Adam())


def points(score_by):
    """Returns a learner of points; a score by the gradient has a backward pass in the graph."""
    keras.utils.set_random_seed(0)
    energy = Energy(perceptron((16,), 1, "tanh"), [2])
    generator = Generator(perceptron((16,), 2, "tanh"), 3)
    optimizers = keras.optimizers.Adam(), keras.optimizers.Adam()
    return MaxEntropy(
        energy, generator, Channel(0.1, 4), Difference(0.1), *optimizers, 0.5, 1, score_by
    )


def pictures(num, shape=SHAPE):
    return noise.normal(noise.make_seed(5), [num, *shape]).numpy().clip(-1, 1)


def masks(num):
    """Returns masks that are true at observed pixels: all of the first image, none of the last."""
    mask = np.random.default_rng(0).random([num, *SHAPE]) < 0.5
    mask[0], mask[-1] = True, False
    return mask


def completed(learner, x, mask):
    """Returns the right answer of `inpaint`: the learner fills in from observed pixels alone."""
    made = learner.inpaint({"image": np.where(mask, x, np.float32(0)), "mask": mask}, SEED)
    return np.where(mask, x, made)


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


def ask(folder, signature, **inputs):
    """Returns a request for `cc_loader.py`."""
    definition = signature_defs(folder)[signature]
    feeds = {}
    for name, value in inputs.items():
        info = definition.inputs[name]
        array = np.asarray(value, tf.as_dtype(info.dtype).as_numpy_dtype)
        feeds[info.name] = [array.dtype.name, array.shape, array.ravel().tolist()]
    (output,) = definition.outputs.values()
    return {"fetch": output.name, "feeds": feeds}


def run_cc(folder, requests):
    program = [sys.executable, Path(__file__).parents[1] / "helpers/cc_loader.py", folder]
    done = subprocess.run(program, input=json.dumps(requests), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def close(a, b):
    return np.shape(a) == np.shape(b) and np.abs(np.subtract(a, b)).max() < 1e-5


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
    sample, default, reconstruction, completion = (answer["value"] for answer in answers)
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
        assert made.shape == (n,) and close(made, expected) and close(answer["value"], expected)
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
def test_python_refuses_wrong_inputs(fake_export, case):
    signature, inputs, words = inputs_of(case)
    types = {"seed": np.int32, "n": np.int32, "image": np.float32, "mask": bool}
    feeds = {name: tf.constant(np.asarray(v, types[name])) for name, v in inputs.items()}
    loaded = tf.saved_model.load(str(fake_export[1]))
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        loaded.signatures[signature](**feeds)
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


def test_the_largest_allowed_inputs_are_accepted(fake_export):
    loaded = tf.saved_model.load(str(fake_export[1]))
    seed = tf.constant(SEED)
    assert len(loaded.sample(seed, tf.constant(4096))["images"]) == 4096
    for value in (-1.0005, 1.0005):
        made = loaded.reconstruct(tf.constant(filled(value)), seed)
        assert np.isfinite(made["images"]).all()


def test_signatures_match_the_capabilities_of_the_learner(fake_export, tmp_path):
    default = {"sample", "serving_default"}
    everything = default | {"reconstruct", "inpaint", "score"}
    assert set(signature_defs(fake_export[1])) == everything
    assert set(signature_defs(export(Sampler(), tmp_path / "a", "a"))) == default
    assert set(signature_defs(export(points("energy"), tmp_path / "b", "b"))) == default | {"score"}


def test_points_are_not_inpainted(tmp_path):
    model = Decoder(keras.Sequential([keras.layers.Dense(2)]), [3], sigma=0.3)
    learner = LatentLikelihood(model, ShortRun(5, 0.01), keras.optimizers.Adam())
    signatures = signature_defs(export(learner, tmp_path, "points"))
    assert "reconstruct" in signatures and "inpaint" not in signatures


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_new_export_replaces_the_old_one(tmp_path):
    learner = Sampler()
    export(learner, tmp_path, "short_run")
    learner.sigma.assign(0.9)
    folder = export(learner, tmp_path, "short_run")
    loaded = tf.saved_model.load(str(folder))
    made = loaded.sample(tf.constant(SEED), tf.constant(3))["images"]
    assert close(made, learner.sample(3, SEED))
    assert {p.name for p in tmp_path.iterdir()} == {"saved_model", "models.config"}
    assert [p.name for p in (tmp_path / "saved_model").iterdir()] == ["1"]


def cut_save(monkeypatch, error):
    save = tf.saved_model.save

    def half(model, folder, **options):
        save(model, folder, **options)
        (Path(folder) / "variables" / "variables.index").unlink()
        raise error

    monkeypatch.setattr(tf.saved_model, "save", half)


def cut_rename(monkeypatch, error):
    rename = Path.rename

    def fail(self, target):
        if self.name == "new":
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)


@pytest.mark.parametrize("cut", [cut_save, cut_rename])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_export_keeps_the_old_one(tmp_path, monkeypatch, cut, error):
    learner = Sampler()
    export(learner, tmp_path, "short_run")
    before = files(tmp_path)
    learner.sigma.assign(0.9)
    cut(monkeypatch, error)
    with pytest.raises(type(error)):
        export(learner, tmp_path, "short_run")
    assert files(tmp_path) == before and not (tmp_path / ".export").exists()


def test_the_old_export_survives_a_kill_between_the_renames(tmp_path, monkeypatch):
    folder = export(Sampler(), tmp_path, "short_run")
    before = files(tmp_path)
    (tmp_path / ".export").mkdir()
    folder.rename(tmp_path / ".export" / "old")
    cut_save(monkeypatch, OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        export(Sampler(), tmp_path, "short_run")
    assert files(tmp_path) == before


def test_a_failed_first_export_leaves_nothing(tmp_path, monkeypatch):
    cut_save(monkeypatch, OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        export(Sampler(), tmp_path, "short_run")
    assert not list(tmp_path.iterdir())


def test_an_export_has_no_functions_compiled_by_xla(tmp_path):
    learner = Sampler()
    inner = tf.function(learner.sample, jit_compile=True)
    learner.sample = tf.function(lambda num, seed: inner(num, seed))
    folder = export(learner, tmp_path, "short_run")
    assert b"XlaMustCompile" not in (folder / "saved_model.pb").read_bytes()
    (answer,) = run_cc(folder, [ask(folder, "sample", seed=SEED, n=3)])
    assert close(answer["value"], learner.sample(3, SEED))


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a:b", "../a", "é", "a\n"])
def test_a_name_that_cannot_be_in_a_url_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="model name"):
        export(Sampler(), tmp_path, name)


def test_the_config_of_the_server_has_name_and_path(tmp_path):
    workdir = tmp_path / 'a "b" \\ é'
    folder = export(Sampler(), workdir, "short_run")
    path = str(folder.parent).replace("\\", r"\\").replace('"', r"\"")
    assert (workdir / "models.config").read_text("utf-8").split() == (
        'model_config_list { config { name: "short_run" '
        f'base_path: "{path}" model_platform: "tensorflow" }} }}'
    ).split()
    assert folder.is_absolute() and folder.name == "1"


# Tests of the client over HTTP: always with the double, and with the server if it is installed.


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module", params=["double", "tensorflow_model_server"])
def url(request, fake_export):
    _, folder = fake_export
    if request.param == "double":
        with serve(folder, "short_run") as address:
            yield address
    elif binary := shutil.which(request.param):
        yield from run_server(binary, folder.parents[1] / "models.config")
    else:
        pytest.skip(f"{request.param} is not on PATH")


def run_server(binary, config):
    port = free_port()
    options = [f"--rest_api_port={port}", "--port=0", f"--model_config_file={config}"]
    server = subprocess.Popen([binary, *options], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/v1/models/short_run", server)
        yield address
    finally:
        server.terminate()
        server.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(address, server, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(address) as answer:
                if b"AVAILABLE" in answer.read():
                    return
        except OSError:
            pass
        time.sleep(0.2)
    pytest.fail(f"no model at {address}")


def query(url, out, *options, model="short_run"):
    arguments = [f"--url={url}", f"--model={model}", f"--out={out}", *options]
    return query_serving.main(arguments)


def as_pixels(image):
    return (np.asarray(image) + 1) * 127.5


def test_the_client_writes_samples(fake_export, url, tmp_path):
    learner, _ = fake_export
    out = tmp_path / "samples.png"
    assert query(url, out, "--n=5", "--seed=3") == 0
    picture = np.asarray(Image.open(out)).astype(float)
    assert picture.shape == (2 * 4, 3 * 6, 3)
    samples = as_pixels(learner.sample(5, SEED))
    assert np.abs(picture[4:, 6:12] - samples[4]).max() <= 0.6
    assert (picture[4:, 12:] == 255).all()


def test_the_client_writes_a_reconstruction(fake_export, url, tmp_path):
    learner, _ = fake_export
    file, out = tmp_path / "in.png", tmp_path / "out.png"
    pixels = np.random.default_rng(0).integers(0, 256, [9, 11, 3], np.uint8)
    Image.fromarray(pixels).save(file)
    assert query(url, out, f"--image={file}", "--seed=3") == 0
    picture = np.asarray(Image.open(out)).astype(float)
    resized = np.asarray(Image.fromarray(pixels).convert("L").resize((6, 4)))[..., None]
    assert picture.shape == (4, 12, 3) and (picture[:, :6] == resized).all()
    made = learner.reconstruct({"image": resized[None] / np.float32(127.5) - 1}, SEED)
    assert np.abs(picture[:, 6:] - as_pixels(made)[0]).max() <= 0.6


def test_a_server_inpaints(fake_export, url):
    learner, _ = fake_export
    x, mask = pictures(3), masks(3)
    inputs = {"image": x.tolist(), "mask": mask.tolist(), "seed": SEED}
    body = json.dumps({"signature_name": "inpaint", "inputs": inputs}).encode()
    with urllib.request.urlopen(f"{url}/v1/models/short_run:predict", body) as answer:
        made = json.load(answer)["outputs"]
    assert close(made, completed(learner, x, mask))


def refuses(capsys, words, url, out, *options, **model):
    assert query(url, out, *options, **model) == 2 and not out.exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("query_serving: ") and words in error


def test_the_client_prints_errors_of_the_server(url, tmp_path, capsys):
    out = tmp_path / "out.png"
    refuses(capsys, "answers 400: ", url, out, "--n=0")
    refuses(capsys, "n must be 1 to 4096", url, out, "--n=5000")
    refuses(capsys, "answers 404: Servable not found", url, out, model="other")


def test_the_client_explains_what_is_missing(url, tmp_path, capsys):
    out, file = tmp_path / "out.png", tmp_path / "text.png"
    file.write_text("no picture")
    refuses(capsys, "text.png cannot be read as a picture", url, out, f"--image={file}")
    refuses(capsys, "nothing.png cannot be read", url, out, f"--image={tmp_path}/nothing.png")
    refuses(capsys, "No such file or directory", url, tmp_path / "no" / "out.png", "--n=1")
    refuses(capsys, "no server at", f"http://127.0.0.1:{free_port()}", out)
    refuses(capsys, "unknown url type", "localhost:8501", out)


def test_the_client_says_that_a_sampler_does_not_reconstruct(tmp_path, capsys):
    folder = export(Sampler(), tmp_path, "sampler")
    with serve(folder, "sampler") as url:
        image = tmp_path / "in.png"
        Image.new("L", (6, 4)).save(image)
        words = "does not reconstruct: it has sample, serving_default"
        refuses(capsys, words, url, tmp_path / "o.png", f"--image={image}", model="sampler")


def test_the_grid_of_the_client_equals_one_computed_by_hand():
    images = np.float32([-1, 0, 2]).reshape(3, 1, 1, 1)
    assert query_serving.grid(images, 2)[..., 0].tolist() == [[0, 128], [255, 255]]
    colours = np.float32([-1, 0, 1]).reshape(1, 1, 1, 3)
    assert query_serving.grid(colours, 1).tolist() == [[[0, 128, 255]]]


def test_the_client_does_not_import_tensorflow():
    script = "import sys, tools.query_serving; sys.exit('tensorflow' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root).returncode == 0
