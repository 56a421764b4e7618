"""Requests pictures of an exported learner from a TensorFlow Serving server.

    python -m tools.query_serving --url=http://localhost:8501 --model=short_run \\
        --n=64 --seed=3 --out=samples.png
    python -m tools.query_serving --url=http://localhost:8501 --model=short_run \\
        --image=face.png --out=face_and_reconstruction.png

The first command writes a grid of samples, the second a picture next to its
reconstruction. Neither command needs TensorFlow. The inputs of a signature have no
common leading axis, so a request uses the column format of the REST API ("inputs").
"""

import argparse
import http.client
import json
import math
import sys
import urllib.error
import urllib.request

import numpy as np
from PIL import Image, UnidentifiedImageError

_TIMEOUT = 300  # seconds: the first answer of a large model is slow on CPUs


class QueryError(Exception):
    """An error of the request, with a message of one line for the user."""


def main(argv: list[str]) -> int:
    """Returns the exit code: 0, or 2 after one line on stderr."""
    try:
        print(query(_arguments(argv)))
    except (QueryError, OSError) as error:
        print(f"query_serving: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def query(arguments: argparse.Namespace) -> str:
    """Requests images, writes the picture, and returns the name of its file.

    Raises:
      QueryError: if the server does not answer, does not have the model, or refuses the input.
    """
    address = f"{arguments.url.rstrip('/')}/v1/models/{arguments.model}"
    seed = [arguments.seed % 2**31, 0]
    if arguments.image:
        image = read_image(arguments.image, _image_shape(address))
        made = _predict(address, "reconstruct", {"image": image[None].tolist(), "seed": seed})
        images = np.concatenate([image[None], made])
    else:
        images = _predict(address, "sample", {"seed": seed, "n": arguments.n})
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
        with Image.open(file) as image:
            image = image.convert("L" if channels == 1 else "RGB").resize((width, height))
    except (OSError, UnidentifiedImageError) as error:
        raise QueryError(f"{file} cannot be read as a picture: {error}") from error
    return np.asarray(image, np.float32).reshape(shape) / 127.5 - 1


def _image_shape(address: str) -> list[int]:
    signatures = _ask(f"{address}/metadata", "metadata")["signature_def"]["signature_def"]
    if "reconstruct" not in signatures:
        raise QueryError(f"{address} does not reconstruct: it has {', '.join(sorted(signatures))}")
    sizes = signatures["reconstruct"]["inputs"]["image"]["tensor_shape"]["dim"]
    return _picture_shape([int(dim["size"]) for dim in sizes])


def _picture_shape(shape) -> list[int]:
    if len(shape) != 4 or shape[-1] not in (1, 3):
        raise QueryError(f"the model makes arrays of shape {list(shape)}, not pictures")
    return list(shape[1:])


def _predict(address: str, signature: str, inputs: dict) -> np.ndarray:
    request = json.dumps({"signature_name": signature, "inputs": inputs}).encode()
    images = np.asarray(_ask(f"{address}:predict", "outputs", request), np.float32)
    _picture_shape(images.shape)
    return images


def _ask(address: str, key: str, body: bytes | None = None):
    """Returns the value of `key` in the server's answer."""
    try:
        with urllib.request.urlopen(address, body, timeout=_TIMEOUT) as answer:
            return json.load(answer)[key]
    except urllib.error.HTTPError as error:
        raise QueryError(f"{address} answers {error.code}: {_reason(error)}") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise QueryError(f"no server at {address}: {reason}; is it running there?") from error
    except (ValueError, TypeError, KeyError) as error:
        raise QueryError(f"{address} is not TensorFlow Serving, check --url: {error!r}") from error


def _reason(error: urllib.error.HTTPError) -> str:
    """Returns the server's own error message if there is one, else the HTTP reason."""
    try:
        return json.load(error)["error"]
    except (ValueError, TypeError, KeyError):
        return error.reason


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="query_serving", description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://localhost:8501", help="REST address of the server")
    parser.add_argument("--model", required=True, help="name in models.config")
    parser.add_argument("--out", required=True, help="picture to write, e.g. samples.png")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same pictures")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--n", type=int, default=64, help="number of samples")
    what.add_argument("--image", help="picture to reconstruct instead of sampling")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
