"""A test double of TensorFlow Serving's REST API, to test its client. It is not TF Serving.

The double answers requests for status, metadata and column-format predictions of one exported
model. If a test depends on the words of an answer, they are those of the server
(tensorflow/serving, g3doc/api_rest.md). Python TensorFlow runs the model; `cc_loader.py` tests the
C++ loader.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2


def signature_defs(folder: Path) -> dict:
    """Returns name -> SignatureDef of a SavedModel, without TensorFlow's internal signatures."""
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signatures = model.meta_graphs[0].signature_def
    return {name: s for name, s in signatures.items() if not name.startswith("__")}


@contextlib.contextmanager
def serve(folder: Path, name: str) -> Iterator[str]:
    """Runs a server on the loopback address during the block, and yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.model, server.name = tf.saved_model.load(str(folder)), name
    server.signature_defs = signature_defs(folder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def misbehave(reply: Callable) -> Iterator[str]:
    """Runs a server that answers every request by `reply(path, write)`, and yields its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Misbehaving)
    server.reply = reply
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
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
        if name != self.server.name:
            self._send_not_found(name)
        elif self.path.endswith("/metadata"):
            self._send(200, {"metadata": {"signature_def": {"signature_def": self._metadata()}}})
        else:
            self._send(200, {"model_version_status": [{"version": "1", "state": "AVAILABLE"}]})

    def do_POST(self):  # noqa: N802
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = self.path.split("/")[3].removesuffix(":predict")
        if name != self.server.name:
            return self._send_not_found(name)
        try:
            return self._send(200, {"outputs": self._predict(**request)})
        except tf.errors.InvalidArgumentError as error:
            return self._send(400, {"error": error.message})

    def _predict(self, signature_name: str, inputs: dict) -> list:
        specs = self.server.signature_defs[signature_name].inputs
        feeds = {name: tf.constant(inputs[name], tf.as_dtype(s.dtype)) for name, s in specs.items()}
        (output,) = self.server.model.signatures[signature_name](**feeds).values()
        return output.numpy().tolist()

    def _metadata(self) -> dict:
        options = {
            "preserving_proto_field_name": True,
            "always_print_fields_with_no_presence": True,
        }
        signatures = self.server.signature_defs.items()
        return {name: json_format.MessageToDict(s, **options) for name, s in signatures}

    def _send_not_found(self, name: str):
        self._send(404, {"error": f"Servable not found for request: Latest({name})"})

    def _send(self, code: int, answer: dict):
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Prints nothing."""
