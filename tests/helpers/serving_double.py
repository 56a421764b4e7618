"""Test doubles of TensorFlow Serving, to test its client. They are not TF Serving.

They answer requests for status, metadata and predictions of one exported model: here by REST in
both formats, in `grpc_double.py` by gRPC with the official protos. If a test depends on the words
of an answer, they are those of the server (tensorflow/serving, g3doc/api_rest.md). Python
TensorFlow runs the model; `cc_loader.py` tests the C++ loader.
"""

import base64
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2


def signature_defs(folder: Path) -> dict:
    """Returns name -> SignatureDef of a SavedModel, without TensorFlow's internal signatures."""
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signatures = model.meta_graphs[0].signature_def
    return {name: s for name, s in signatures.items() if not name.startswith("__")}


class Served:
    """An exported model, as the doubles run it."""

    def __init__(self, folder: Path, name: str):
        self.name, self.signature_defs = name, signature_defs(folder)
        self._model = tf.saved_model.load(str(folder))

    def predict(self, signature: str, inputs: dict) -> dict[str, np.ndarray]:
        """Returns the outputs. Raises KeyError or a TensorFlow error for what cannot be fed."""
        specs = self.signature_defs[signature].inputs
        if inputs.keys() != specs.keys():
            raise KeyError(f"inputs must be {sorted(specs)}, not {sorted(inputs)}")
        feeds = {name: tf.constant(inputs[name], tf.as_dtype(s.dtype)) for name, s in specs.items()}
        return {k: v.numpy() for k, v in self._model.signatures[signature](**feeds).items()}


@contextlib.contextmanager
def serve(folder: Path, name: str) -> Iterator[str]:
    """Runs a REST server on the loopback address during the block, and yields its URL."""
    with _running(_Handler) as server:
        server.served = Served(folder, name)
        yield f"http://127.0.0.1:{server.server_port}"


@contextlib.contextmanager
def misbehave(reply: Callable) -> Iterator[str]:
    """Runs a server that answers every request by `reply(path, write)`, and yields its URL."""
    with _running(_Misbehaving) as server:
        server.reply = reply
        yield f"http://127.0.0.1:{server.server_port}"


@contextlib.contextmanager
def _running(handler: type) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Misbehaving(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with contextlib.suppress(ConnectionError):  # a good client leaves in the middle
            self.server.reply(self.path, self.wfile.write)
        self.close_connection = True

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        """Prints nothing."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        name = self.path.split("/")[3]
        if name != self.server.served.name:
            self._send(404, {"error": not_found(name)})
        elif self.path.endswith("/metadata"):
            self._send(200, {"metadata": {"signature_def": {"signature_def": self._metadata()}}})
        else:
            self._send(200, {"model_version_status": [{"version": "1", "state": "AVAILABLE"}]})

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.split("/")[3].removesuffix(":predict")
        if name != self.server.served.name:
            return self._send(404, {"error": not_found(name)})
        try:
            return self._send(200, self._predict(**json.loads(body, object_hook=_decoded)))
        except (tf.errors.InvalidArgumentError, KeyError, TypeError, ValueError) as error:
            return self._send(400, {"error": words_of(error)})

    def _predict(self, signature_name="serving_default", inputs=None, instances=None) -> dict:
        """Returns columns for `inputs`, rows for `instances`."""
        if instances is None:
            outputs = self.server.served.predict(signature_name, inputs)
            columns = {key: _encoded(key, value.tolist()) for key, value in outputs.items()}
            return {"outputs": columns if len(columns) > 1 else next(iter(columns.values()))}
        columns = {key: [row[key] for row in instances] for key in instances[0]}
        outputs = self.server.served.predict(signature_name, columns)
        if any(len(value) != len(instances) for value in outputs.values()):
            raise ValueError("the first dimension of an output is not that of the input")
        rows = [
            {key: _encoded(key, value) for key, value in zip(outputs, row, strict=True)}
            for row in zip(*(value.tolist() for value in outputs.values()), strict=True)
        ]
        return {"predictions": rows if len(outputs) > 1 else [next(iter(r.values())) for r in rows]}

    def _metadata(self) -> dict:
        options = {
            "preserving_proto_field_name": True,
            "always_print_fields_with_no_presence": True,
        }
        signatures = self.server.served.signature_defs.items()
        return {name: json_format.MessageToDict(s, **options) for name, s in signatures}

    def _send(self, code: int, answer: dict):
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Prints nothing."""


def _decoded(value: dict):
    return base64.b64decode(value["b64"], validate=True) if value.keys() == {"b64"} else value


def _encoded(name: str, value):
    """Returns the values of an output; those of `*_bytes` as base64, as the server does."""
    if not name.endswith("_bytes"):
        return value
    if isinstance(value, list):
        return [_encoded(name, each) for each in value]
    return {"b64": base64.b64encode(value).decode()}


def words_of(error: Exception) -> str:
    return getattr(error, "message", None) or str(error)


def not_found(name: str) -> str:
    return f"Servable not found for request: Latest({name})"
