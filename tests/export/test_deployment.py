"""Files beside a served model: warm-up requests, model card, data.json, and those of a server."""

import json

import numpy as np
import pytest
import tensorflow as tf
import yaml

from exported import SHAPE, Sampler, points
from serving_double import signature_defs
from tf_shortrun.data import preparation
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.export import model_card, warm_up
from tf_shortrun.export.model_card import Origin
from tf_shortrun.export.predict_messages import MESSAGES, predict_request, to_array
from tf_shortrun.export.saved_model import export


def warm_up_requests(folder):
    logs = tf.data.TFRecordDataset(str(folder / warm_up.FILE)).as_numpy_iterator()
    return list(logs)


def test_warm_up_asks_every_signature_that_can_be_put_together_and_is_answered(served):
    logs = [MESSAGES["PredictionLog"].FromString(log) for log in warm_up_requests(served.folder)]
    requests = [log.predict_log.request for log in logs]
    names = {name for name in served.signatures if name.endswith(("_each", "_bytes"))}
    names |= {"encode", "decode", "interpolate"}
    assert {request.model_spec.signature_name for request in requests} == names
    for request in requests:
        assert request.model_spec.name == "short_run"
        inputs = {k: tf.constant(to_array(v, 2**20)) for k, v in request.inputs.items()}
        for value in served.signatures[request.model_spec.signature_name](**inputs).values():
            assert len(value) == 1


def test_warm_up_is_what_the_official_protos_read(served):
    protos = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    for data in warm_up_requests(served.folder):
        log = protos.PredictionLog.FromString(data)
        request = log.predict_log.request
        assert log.WhichOneof("log_type") == "predict_log"
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        served.signatures[request.model_spec.signature_name](**inputs)


@pytest.mark.parametrize(
    "value",
    [
        np.float32([[1, -2]]),
        np.int32([3]),
        np.array([True, False]),
        np.array([b"a\0", b""], object),
    ],
)
def test_arrays_come_back_from_messages(value):
    request = predict_request("m", "s", {"x": value})
    copy = MESSAGES["PredictRequest"].FromString(request.SerializeToString())
    found = to_array(copy.inputs["x"], 100)
    assert found.dtype == value.dtype and (found == value).all()


def test_a_message_cannot_ask_for_memory():
    tensor = MESSAGES["Tensor"](dtype=1, float_val=[0.0])
    tensor.tensor_shape.dim.add(size=10**6)
    with pytest.raises(ValueError, match="an array of the shape"):
        to_array(tensor, 2**20)
    assert to_array(tensor, 2**22).shape == (10**6,)


def test_the_card_says_what_the_model_is(served):
    card = (served.folder / "model_card.md").read_text()
    for words in (
        "method `short_run`, variant layers1: 0 updates, seed 7",
        "data set: digits",
        "licence of the data: not known to this program",
        "pictures: 4 x 6 pixels, channels 1",
        r"| `frechet/inception2015` | 12.5 | lower | 500 samples \| 500 test images |",
        "float32 [4, 6, 1], 96 bytes",
        "at most 4096",
        "CITATION.cff",
    ):
        assert words in card
    for name in set(signature_defs(served.folder)) - {"serving_default"}:
        assert f"| `{name}` | " in card


@pytest.mark.parametrize(
    ("data", "licence"),
    [
        ("mnist_anomaly9", "CC BY-SA 3.0"),
        ("fashion_mnist", "MIT"),
        ("celeba32", "for non-commercial research"),
        ("cifar10", "not known to this program"),
        ("my_cats", "not known to this program"),
        ("", "not known to this program"),
    ],
)
def test_the_card_tells_the_licence_of_the_data(tmp_path, data, licence):
    (tmp_path / "assets.extra").mkdir()
    model_card.write(tmp_path, "m", [2], {}, Origin(data))
    card = (tmp_path / "model_card.md").read_text()
    assert f"licence of the data: {licence}" in card and "no evaluation is known" in card


def test_programs_can_read_how_pictures_are_prepared(served):
    content = json.loads((served.folder / model_card.DATA).read_text())
    assert preparation.read(content["preparation"]) == Preparation(*SHAPE)
    assert content["shape"] == list(SHAPE) and content["name"] == "digits"


def test_points_have_no_files(tmp_path):
    folder = export(points("energy"), tmp_path, "points", Origin("kdd99"))
    assert not [name for name in signature_defs(folder) if "bytes" in name]
    assert len(warm_up_requests(folder)) == 2


def test_the_config_of_the_server_has_name_and_path(tmp_path):
    workdir = tmp_path / 'a "b" \\ é'
    folder = export(Sampler(), workdir, "short_run")
    path = str(folder.parent).replace("\\", r"\\").replace('"', r"\"")
    assert (workdir / "models.config").read_text("utf-8").split() == (
        'model_config_list { config { name: "short_run" '
        f'base_path: "{path}" model_platform: "tensorflow" }} }}'
    ).split()
    assert folder.is_absolute() and folder.name == "1"


def test_files_of_a_deployment_name_what_lies_there(served):
    place = served.folder.parents[1] / "serving"
    compose = yaml.safe_load((place / "compose.yaml").read_text())["services"]["model"]
    deployment, service = yaml.safe_load_all((place / "kubernetes.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert compose["command"] == container["args"] and compose["image"] == container["image"]
    named = [o.partition("=")[2] for o in compose["command"] if "/models/" in o]
    assert len(named) == 2
    for path in named:
        assert (served.folder.parents[1] / path.removeprefix("/models/")).is_file()
    assert 'base_path: "/models/saved_model"' in (place / "models.config").read_text()
    assert "max_batch_size { value: 64 }" in (place / "batching.config").read_text()
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
