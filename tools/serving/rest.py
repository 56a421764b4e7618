"""Requests by the REST API, in its row format, `instances`: every input has a batch axis."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request

import numpy as np

from tools.serving import limits
from tools.serving.limits import GARBAGE, QueryError, not_serving


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes an error of a redirection, because TensorFlow Serving sends none."""

    def redirect_request(self, *_):
        return None


class Rest:
    """A model behind http:// or https://. Every call raises QueryError."""

    def __init__(self, url: str, model: str, seconds: float):
        try:
            parts = urllib.parse.urlsplit(url)
            is_web = parts.scheme in ("http", "https") and parts.hostname
        except ValueError:
            is_web = False
        if not is_web:  # urllib would open files, too
            raise QueryError(
                f"unknown url type {url}: give http://host:port, https://host:port or "
                "grpc://host:port"
            )
        self._seconds = seconds
        self.address = f"{url.rstrip('/')}/v1/models/{urllib.parse.quote(model, safe='')}"

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Returns the one output of a signature."""
        columns = {name: np.asarray(value).tolist() for name, value in inputs.items()}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        body = json.dumps({"signature_name": signature, "instances": rows}).encode()
        answer = self._ask(f"{self.address}:predict", body)
        try:
            return np.asarray(answer["predictions"])
        except GARBAGE as error:
            raise not_serving(self.address, error) from error

    def shapes(self) -> dict[str, dict[str, list[int]]]:
        """Returns the sizes of every input of every signature; -1 is any size."""
        metadata = self._ask(f"{self.address}/metadata")
        try:
            signatures = metadata["metadata"]["signature_def"]["signature_def"]
            return {
                name: {key: _sizes(info) for key, info in signature["inputs"].items()}
                for name, signature in signatures.items()
            }
        except GARBAGE as error:
            raise not_serving(self.address, error) from error

    def _ask(self, address: str, body: bytes | None = None):
        """Returns the server's answer, any JSON value."""
        opener = urllib.request.build_opener(_NoRedirects)
        try:
            with opener.open(address, body, timeout=self._seconds) as answer:
                content = answer.read(limits.MAX_BYTES + 1)
            if len(content) > limits.MAX_BYTES:
                most = f"more than {limits.MAX_BYTES} bytes"
                raise QueryError(f"{address} answers with {most}: ask for fewer, or check --url")
            return json.loads(content)
        except urllib.error.HTTPError as error:
            raise QueryError(f"{address} answers {error.code}: {_reason(error)}") from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise QueryError(f"no server at {address}: {reason}; is it running there?") from error
        except GARBAGE as error:
            raise not_serving(address, error) from error


def _sizes(info: dict) -> list[int]:
    return [int(dim["size"]) for dim in info["tensor_shape"].get("dim", [])]


def _reason(error: urllib.error.HTTPError) -> str:
    """Returns the server's own error message if there is one, else the HTTP reason."""
    try:
        return str(json.loads(error.read(limits.MAX_BYTES))["error"])
    except (*GARBAGE, OSError, http.client.HTTPException):
        return error.reason
