"""Requests pictures of an exported learner from a TensorFlow Serving server.

    python -m tools.query_serving --url=http://localhost:8501 --model=short_run \\
        --n=64 --seed=3 --out=samples.png
    python -m tools.query_serving --url=http://localhost:8501 --model=short_run \\
        --image=face.png --out=face_and_reconstruction.png

The first command writes a grid of samples, the second a picture next to its
reconstruction. Neither command needs TensorFlow. The inputs of a signature have no
common leading axis, so a request uses the column format of the REST API ("inputs").

The client trusts no server: time, bytes and sizes of an answer are bounded, its values are checked,
and nothing that it says reaches the terminal but printable characters.
"""

import argparse
import http.client
import json
import math
import queue
import struct
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

_MAX_BYTES = 2**26  # of an answer; as Python lists it takes at most twenty times as much memory
_MAX_PIXELS = 2**20  # of one image of a model
_MAX_WORDS = 1000  # characters of a message
_MAX_SECONDS = 86400

# What urllib, json and NumPy raise for an answer that is not the one that was asked for.
_GARBAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
# What Pillow raises for a damaged file.
_UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, TypeError),
    *(RuntimeError, struct.error, Image.DecompressionBombError),
)


class QueryError(Exception):
    """An error of the request, with a message of one line for the user."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Makes an error of a redirection, because TensorFlow Serving sends none."""

    def redirect_request(self, *_):
        return None


def main(argv: list[str]) -> int:
    """Returns the exit code: 0, or 2 after one line on stderr."""
    try:
        print(query(_arguments(argv)))
    except (QueryError, OSError) as error:
        print(f"query_serving: {_printable(str(error))}", file=sys.stderr)
        return 2
    return 0


def query(arguments: argparse.Namespace) -> str:
    """Requests images, writes the picture, and returns the name of its file.

    Raises:
      QueryError: if the server does not answer in time or not as TensorFlow Serving, does not have
        the model, or refuses the input.
    """
    seconds = arguments.timeout
    if not 0 < seconds <= _MAX_SECONDS:
        raise QueryError(f"--timeout is {seconds}: give 1 to {_MAX_SECONDS} seconds")
    address = _address(arguments.url, arguments.model)
    images = _within(seconds, lambda: _images(address, arguments), f"{address} did not finish")
    columns = math.isqrt(len(images) - 1) + 1
    Image.fromarray(grid(images, columns)).save(arguments.out, "PNG")
    return arguments.out


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Returns images [N, H, W, C] in [-1, 1] as one picture, with white for empty places.

    The picture is uint8 [rows * H, columns * W, 3].
    """
    num, height, width, channels = images.shape
    rows = math.ceil(num / columns)
    tiles = np.ones([rows * columns, height, width, channels], np.float32)
    tiles[:num] = images
    tiles = tiles.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    pixels = np.rint((tiles.reshape(rows * height, columns * width, channels) + 1) * 127.5)
    return np.repeat(pixels.clip(0, 255).astype(np.uint8), 3 // channels, axis=-1)


def read_image(file: str, shape: list[int]) -> np.ndarray:
    """Reads a picture from a file, resized to (H, W), as float32 [H, W, C] in [-1, 1]."""
    height, width, channels = shape
    try:
        if Path(file).exists() and not Path(file).is_file():
            raise OSError("it is no file")
        with warnings.catch_warnings(), Image.open(file) as image:
            warnings.filterwarnings("ignore", module="PIL")
            image = image.convert("L" if channels == 1 else "RGB").resize((width, height))
    except _UNREADABLE as error:
        raise QueryError(f"{file} cannot be read as a picture: {error}") from error
    return np.asarray(image, np.float32).reshape(shape) / 127.5 - 1


def _address(url: str, model: str) -> str:
    """Returns the address of the model; urllib would open files, too."""
    try:
        parts = urllib.parse.urlsplit(url)
        is_web = parts.scheme in ("http", "https") and parts.hostname
    except ValueError:
        is_web = False
    if not is_web:
        raise QueryError(f"unknown url type {url}: give http://host:port or https://host:port")
    return f"{url.rstrip('/')}/v1/models/{urllib.parse.quote(model, safe='')}"


def _within(seconds: float, work: Callable, complaint: str):
    """Returns `work()` or raises its error; after `seconds` raises QueryError.

    A timeout of a socket starts again with every byte, so a thread does the work. It ends with the
    process.
    """
    done = queue.SimpleQueue()

    def run():
        try:
            done.put((work(), None))
        except Exception as error:  # raised again below, in the thread that waits
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        message = f"{complaint} in {seconds:g} seconds: ask for fewer, or give a longer --timeout"
        raise QueryError(message) from None
    if error:
        raise error
    return result


def _images(address: str, arguments: argparse.Namespace) -> np.ndarray:
    """Asks the server for the images of the picture, float32 [N, H, W, C]."""
    seed = [arguments.seed % 2**31, 0]
    if not arguments.image:
        inputs = {"seed": seed, "n": arguments.n}
        return _predict(address, "sample", inputs, arguments.n, arguments.timeout)
    shape = _image_shape(address, arguments.timeout)
    image = read_image(arguments.image, shape)[None]
    inputs = {"image": image.tolist(), "seed": seed}
    made = _predict(address, "reconstruct", inputs, 1, arguments.timeout)
    if made.shape != image.shape:
        raise QueryError(f"{address} makes {list(made.shape)} of an image {list(image.shape)}")
    return np.concatenate([image, made])


def _image_shape(address: str, seconds: float) -> list[int]:
    metadata = _ask(f"{address}/metadata", seconds)
    try:
        signatures = metadata["metadata"]["signature_def"]["signature_def"]
        names = ", ".join(sorted(signatures))
        if "reconstruct" not in signatures:
            raise QueryError(f"{address} does not reconstruct: it has {names}")
        sizes = signatures["reconstruct"]["inputs"]["image"]["tensor_shape"]["dim"]
        shape = [int(dim["size"]) for dim in sizes]
    except _GARBAGE as error:
        raise _not_serving(address, error) from error
    return _picture_shape(shape)


def _picture_shape(shape) -> list[int]:
    if len(shape) != 4 or min(shape[1:]) < 1 or shape[-1] not in (1, 3):
        raise QueryError(f"the model makes arrays of shape {list(shape)}, not pictures")
    if shape[1] * shape[2] > _MAX_PIXELS:
        raise QueryError(f"the model makes arrays of shape {list(shape)}, larger than this reads")
    return list(shape[1:])


def _predict(address: str, signature: str, inputs: dict, num: int, seconds: float) -> np.ndarray:
    request = json.dumps({"signature_name": signature, "inputs": inputs}).encode()
    answer = _ask(f"{address}:predict", seconds, request)
    try:
        images = np.asarray(answer["outputs"])
    except _GARBAGE as error:
        raise _not_serving(address, error) from error
    if images.dtype.kind not in "iuf":
        raise QueryError(f"{address} answers with values that are no numbers: check --model")
    _picture_shape(images.shape)
    if len(images) != num:
        raise QueryError(f"{address} answers with {len(images)} images instead of {num}")
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    if not np.isfinite(images).all():
        raise QueryError(f"{address} answers with NaN or infinite values: the model is broken")
    return images


def _ask(address: str, seconds: float, body: bytes | None = None):
    """Returns the server's answer, any JSON value."""
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(address, body, timeout=seconds) as answer:
            content = answer.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            most = f"more than {_MAX_BYTES} bytes"
            raise QueryError(f"{address} answers with {most}: ask for fewer, or check --url")
        return json.loads(content)
    except urllib.error.HTTPError as error:
        raise QueryError(f"{address} answers {error.code}: {_reason(error)}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise QueryError(f"no server at {address}: {reason}; is it running there?") from error
    except _GARBAGE as error:
        raise _not_serving(address, error) from error


def _not_serving(address: str, error: Exception) -> QueryError:
    return QueryError(f"{address} is not TensorFlow Serving, check --url: {error!r}")


def _reason(error: urllib.error.HTTPError) -> str:
    """Returns the server's own error message if there is one, else the HTTP reason."""
    try:
        return str(json.loads(error.read(_MAX_BYTES))["error"])
    except (*_GARBAGE, OSError, http.client.HTTPException):
        return error.reason


def _printable(text: str) -> str:
    """Returns the text in one line without control characters, which could command a terminal."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MAX_WORDS else f"{line[:_MAX_WORDS]} ..."


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="query_serving", description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://localhost:8501", help="REST address of the server")
    parser.add_argument("--model", required=True, help="name in models.config")
    parser.add_argument("--out", required=True, help="picture to write, e.g. samples.png")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for the whole exchange")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same pictures")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--n", type=int, default=64, help="number of samples")
    what.add_argument("--image", help="picture to reconstruct instead of sampling")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
