"""The client and wrong requests, with doubles, and with the server if it is installed."""

import base64
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from exported import SEED, SHAPE, Sampler, close, completed, file, masks, pictures
from serving_double import serve
from tf_shortrun.data import decoding
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.export import predict_messages as messages
from tf_shortrun.export.saved_model import export
from tools import query_serving
from tools.serving import pictures as of_client


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module", params=["double", "grpc double", "tensorflow_model_server"])
def url(request, served):
    folder = served.folder
    if request.param == "double":
        with serve(folder, "short_run") as address:
            yield address
    elif request.param == "grpc double":
        pytest.importorskip("tensorflow_serving", reason="its protos are needed for a double")
        from grpc_double import serve_grpc

        with serve_grpc(folder, "short_run") as address:
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


def rows(num):
    """Returns the seeds of the rows of a call with --seed=3."""
    return np.int32([[3, row] for row in range(num)])


def test_the_client_writes_samples(served, url, tmp_path):
    out = tmp_path / "samples.png"
    assert query(url, out, "--n=17", "--seed=3") == 0  # more than one call
    picture = np.asarray(Image.open(out)).astype(float)
    assert picture.shape == (4 * 4, 5 * 6, 3)
    samples = as_pixels(served.learner.sample(17, rows(17)))
    assert np.abs(picture[12:, 6:12] - samples[16]).max() <= 0.6
    assert np.abs(picture[:4, :6] - samples[0]).max() <= 0.6
    assert (picture[12:, 12:] == 255).all()


@pytest.mark.parametrize("background", [255, 40])
def test_the_client_writes_a_reconstruction_of_what_training_would_see(
    served, url, tmp_path, background
):
    picture, out, data = tmp_path / "in.png", tmp_path / "out.png", tmp_path / "data.json"
    pixels = np.random.default_rng(0).integers(0, 256, [9, 21, 4], np.uint8)
    picture.write_bytes(file(pixels))
    prepare = Preparation(*SHAPE, background=background)
    data.write_text(json.dumps({"preparation": prepare.describe()}))
    options = [f"--data={data}"] if background != 255 else []
    assert query(url, out, f"--image={picture}", "--seed=3", *options) == 0
    written = np.asarray(Image.open(out)).astype(float)
    prepared, _ = prepare(decoding.header(picture.read_bytes()))
    assert written.shape == (4, 12, 3) and (written[:, :6] == prepared).all()
    made = served.learner.reconstruct({"image": prepared[None] / np.float32(127.5) - 1}, rows(1))
    assert np.abs(written[:, 6:] - as_pixels(made)[0]).max() <= 0.6


def test_the_client_tells_how_long_a_request_takes(url, tmp_path, capsys):
    assert query(url, tmp_path / "out.png", "--n=2", "--repeat=5") == 0
    name, line = capsys.readouterr().out.splitlines()
    assert name.endswith("out.png") and line.startswith("5 times: p50 ")
    assert 0 < float(line.split()[3]) <= float(line.split()[6])


def test_a_wrong_data_json_is_refused(url, tmp_path, capsys):
    picture, data = tmp_path / "in.png", tmp_path / "data.json"
    picture.write_bytes(file(np.zeros([4, 6], np.uint8)))
    for text, words in (
        ("[]", "cannot be read, give data.json of the run"),
        ('{"preparation": null}', "does not say how a picture is prepared"),
        (json.dumps({"preparation": Preparation(5, 5, 3).describe()}), "the model takes [4, 6, 1]"),
    ):
        data.write_text(text)
        options = f"--image={picture}", f"--data={data}"
        refuses(capsys, words, url, tmp_path / "out.png", *options)


def post(url, body, data=None):
    """Returns the answer of a REST server, or its error."""
    content = data if data is not None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(f"{url}/v1/models/short_run:predict", content) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


@pytest.fixture(scope="module")
def rest(served):
    with serve(served.folder, "short_run") as address:
        yield address


def test_a_server_inpaints_with_masks_of_true_and_false(served, rest):
    x, mask = pictures(3), masks(3)
    inputs = {"image": x.tolist(), "mask": mask.tolist(), "seed": SEED}
    made = post(rest, {"signature_name": "inpaint", "inputs": inputs})["outputs"]
    assert close(made, completed(served.learner, x, mask))


def test_files_go_over_rest_as_base64(served, rest):
    contents = [file(np.uint8(255) * (np.arange(24).reshape(4, 6) % 5 == i)) for i in range(3)]
    encoded = [{"b64": base64.b64encode(content).decode()} for content in contents]
    body = [{"image_bytes": e, "seed": [3, i]} for i, e in enumerate(encoded)]
    request = {"signature_name": "reconstruct_bytes", "instances": body}
    answer = post(rest, request)["predictions"]
    x = np.stack([Preparation(*SHAPE)(decoding.header(c))[0] for c in contents])
    expected = as_pixels(served.learner.reconstruct({"image": x / np.float32(127.5) - 1}, rows(3)))
    for row, image in zip(answer, expected, strict=True):
        made = decoding.header(base64.b64decode(row["b64"]))
        assert np.abs(np.asarray(made)[..., None] - image).max() <= 0.6


def test_latents_go_over_rest_by_rows_and_columns(served, rest):
    x = pictures(2)
    columns = {"image": x.tolist(), "seed": rows(2).tolist()}
    found = post(rest, {"signature_name": "encode", "inputs": columns})["outputs"]
    assert close(found, served.learner.infer({"image": x}, rows(2))[0])
    instances = [{"layer0": z} for z in found]
    made = post(rest, {"signature_name": "decode", "instances": instances})["predictions"]
    assert close(made, served.learner.decode([np.float32(found)]))


WRONG = {
    "seed": [[1], [1, 2, 3], 5, [[1, 2]], [[[1, 2]]], [], [[0.5, 1]], "x", None, [["a", "b"]]],
    "image": [
        *([], 0.0, [[0.0]], "x", None, [None], {"b64": "AAAA"}, [[[[0.0]]]] * 3),
        *([[[[v]] * 6] * 4] for v in (2.0, -1.5, 255.0, 1e39, float("nan"), float("inf"))),
    ],
    "mask": [
        [],
        True,
        [[[[True]] * 6] * 4] * 2,
        [[[[1.5]] * 6] * 4],
        None,
        "x",
        [[[True] * 6] * 4],
    ],
    "n": [0, -1, 4097, 10**9, 2**40, [1], [[1]], 1.5, "x", None, [], True],
    "position": [[-0.1], [1.1], [float("nan")], 0.5, [[0.5]], [], ["x"], None],
    "image_bytes": [
        *(["text"], [], None, [1.0], [{"b64": "%%%"}], [{"b64": "AAAA"}], "x", [[{"b64": "AAAA"}]]),
        [{"b64": base64.b64encode(file(np.zeros([9, 9], np.uint8), "GIF")).decode()}],
        [{"b64": base64.b64encode(file(np.zeros([9, 9], np.uint8))[:50]).decode()}],
    ],
    "layer0": [[[float("nan")] * 3], [[0.0] * 2], [0.0] * 3, [], None, [["x"] * 3], 1.0],
}


def wrong_requests(served, num):
    """Yields `num` requests, each with one input that is wrong, missing or not known, by a seed."""
    rng = np.random.default_rng(0)
    good = {"seed": [[1, 2]], "image": [[[[0.0]] * 6] * 4], "mask": [[[[True]] * 6] * 4], "n": 2}
    good |= {"position": [0.5], "layer0": [[0.0] * 3]}
    good |= {"start": good["image"], "end": good["image"]}
    encoded = {"b64": base64.b64encode(file(np.zeros([4, 6], np.uint8))).decode()}
    good |= {f"{name}_bytes": [encoded] for name in ("image", "mask", "start", "end")}
    names = sorted(served.signatures)
    for i in range(num):
        name = names[rng.integers(len(names))]
        specs = served.signatures[name].structured_input_signature[1]
        inputs = {key: good[key] for key in specs}
        if "seed" in specs and specs["seed"].shape.rank == 1:
            inputs["seed"] = [1, 2]
        bad = str(rng.choice(sorted(specs)))
        kind = {"start": "image", "end": "image"}.get(bad, bad)
        kind = "image_bytes" if kind.endswith("_bytes") else kind
        if i % 10 == 0:
            inputs.pop(bad)
        elif i % 10 == 1:
            inputs["unknown"] = 0
        else:
            wrong = WRONG[kind]
            inputs[bad] = wrong[rng.integers(len(wrong))]
            if (bad, specs[bad].shape.rank, inputs[bad]) == ("seed", 2, [[1, 2]]):
                inputs[bad] = [1, 2]
        yield name, inputs


def test_200_wrong_requests_are_refused_with_words_and_without_memory(served, rest):
    def ask_all():
        for name, inputs in wrong_requests(served, 200):
            answer = post(rest, {"signature_name": name, "inputs": inputs})
            words = answer.get("error", f"accepted {name} {inputs}")
            assert "error" in answer and len(words) > 10 and words.isascii(), words[:500]
            assert " ".join(words.split()).isprintable()

    ask_all()
    before = resident_bytes()
    ask_all()
    assert resident_bytes() - before < 2**25


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"inputs": {}}', b"9" * 9999]
)
def test_a_request_that_is_no_request_is_refused_by_the_double(rest, body):
    assert len(post(rest, None, body)["error"]) > 10


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_the_protos_of_the_client_are_the_official_ones():
    predict = pytest.importorskip("tensorflow_serving.apis.predict_pb2")
    inputs = {
        "x": np.float32([[1, 2]]),
        "b": np.array([b"\xff", b""], object),
        "m": np.array([True]),
    }
    ours = messages.predict_request("model", "name", inputs).SerializeToString(deterministic=True)
    official = predict.PredictRequest.FromString(ours)
    assert official.model_spec.name == "model" and official.model_spec.signature_name == "name"
    for key, value in inputs.items():
        assert (tf.make_ndarray(official.inputs[key]) == value).all()
    assert official.SerializeToString(deterministic=True) == ours


def refuses(capsys, words, url, out, *options, **model):
    assert query(url, out, *options, **model) == 2 and not out.exists()
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and error.startswith("query_serving: ") and words in error


def test_the_client_prints_errors_of_the_server(url, tmp_path, capsys):
    out = tmp_path / "out.png"
    refuses(capsys, "--n is 0: give 1 to 4096", url, out, "--n=0")
    refuses(capsys, "--n is 5000: give 1 to 4096", url, out, "--n=5000")
    refuses(capsys, "--repeat is 0", url, out, "--repeat=0")
    code = "NOT_FOUND" if url.startswith("grpc") else "404"
    refuses(capsys, f"answers {code}: Servable not found", url, out, model="other")


def test_the_client_explains_what_is_missing(url, tmp_path, capsys):
    out, file = tmp_path / "out.png", tmp_path / "text.png"
    file.write_text("no picture")
    refuses(capsys, "text.png cannot be read as a picture", url, out, f"--image={file}")
    refuses(capsys, "nothing.png cannot be read", url, out, f"--image={tmp_path}/nothing.png")
    refuses(capsys, "No such file or directory", url, tmp_path / "no" / "out.png", "--n=1")
    refuses(capsys, "no server at", f"http://127.0.0.1:{free_port()}", out)
    refuses(capsys, "answers UNAVAILABLE", f"grpc://127.0.0.1:{free_port()}", out)
    refuses(capsys, "give grpc://host:port", "grpc://", out)
    refuses(capsys, "unknown url type", "localhost:8501", out)


def test_the_client_says_that_a_sampler_does_not_reconstruct(tmp_path, capsys):
    folder = export(Sampler(), tmp_path, "sampler")
    with serve(folder, "sampler") as url:
        image = tmp_path / "in.png"
        Image.new("L", (6, 4)).save(image)
        words = "does not reconstruct: it has sample, sample_bytes, sample_each, serving_default"
        refuses(capsys, words, url, tmp_path / "o.png", f"--image={image}", model="sampler")


def test_the_grid_of_the_client_equals_one_computed_by_hand():
    images = np.float32([-1, 0, 2]).reshape(3, 1, 1, 1)
    assert of_client.grid(images, 2)[..., 0].tolist() == [[0, 128], [255, 255]]
    colours = np.float32([-1, 0, 1]).reshape(1, 1, 1, 3)
    assert of_client.grid(colours, 1).tolist() == [[[0, 128, 255]]]


def test_the_client_needs_no_grpc_for_rest_and_says_so_for_grpc(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "grpc", None)
    refuses(capsys, "pip install -r requirements-serving.txt", "grpc://127.0.0.1:1", tmp_path / "o")


def test_the_client_does_not_import_tensorflow():
    script = "import sys, tools.query_serving; sys.exit('tensorflow' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", script], cwd=root).returncode == 0
