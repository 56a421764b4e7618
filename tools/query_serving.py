"""Requests pictures of an exported learner from a TensorFlow Serving server.

    python -m tools.query_serving --url=http://localhost:8501 --model=short_run \\
        --n=64 --seed=3 --out=samples.png
    python -m tools.query_serving --url=grpc://localhost:8500 --model=short_run \\
        --image=face.png --data=runs/demo/data.json --out=face_and_reconstruction.png

The first command writes a grid of samples, the second a picture, prepared as in training, next to
its reconstruction. It needs no TensorFlow. It uses the signatures with one seed a row, so that
it works whether or not the server puts calls together; row i has the seed [--seed, i].

The client trusts no server: time, bytes and sizes of an answer are bounded, its values are checked,
and nothing that it says reaches the terminal but printable characters.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from tools.serving import limits
from tools.serving.limits import QueryError, checked_images, picture_shape
from tools.serving.pictures import grid, preparation_for, read_image
from tools.serving.rest import Rest
from tools.serving.rpc import Rpc

_ROWS = 16  # in one call: few enough for every server, and for its limit of bytes
_MAX_IMAGES = 4096


def main(argv: list[str]) -> int:
    """Returns the exit code: 0, or 2 after one line on stderr."""
    try:
        print(query(_arguments(argv)))
    except (QueryError, OSError) as error:
        print(f"query_serving: {limits.printable(str(error))}", file=sys.stderr)
        return 2
    return 0


def query(arguments: argparse.Namespace) -> str:
    """Requests images, writes the picture, and returns the name of its file, and the times.

    Raises:
      QueryError: if the server does not answer in time or not as TensorFlow Serving, does not have
        the model, or refuses the input.
    """
    seconds = arguments.timeout
    if not 0 < seconds <= limits.MAX_SECONDS:
        raise QueryError(f"--timeout is {seconds}: give 1 to {limits.MAX_SECONDS} seconds")
    for name, most in (("n", _MAX_IMAGES), ("repeat", 10**6)):
        if not 1 <= getattr(arguments, name) <= most:
            raise QueryError(f"--{name} is {getattr(arguments, name)}: give 1 to {most}")
    transport = Rpc if arguments.url.startswith("grpc://") else Rest
    server = transport(arguments.url, arguments.model, seconds)
    times: list[float] = []
    work = _timed(lambda: _images(server, arguments), arguments.repeat, times)
    images = limits.within(seconds, work, f"{server.address} did not finish")
    columns = math.isqrt(len(images) - 1) + 1
    Image.fromarray(grid(images, columns)).save(arguments.out, "PNG")
    return "\n".join([arguments.out, *_latency(times)])


def _timed(work: Callable, num: int, times: list[float]) -> Callable:
    """Returns a function that works `num` times and adds the seconds of each."""

    def repeat():
        for _ in range(num):
            begin = time.perf_counter()
            result = work()
            times.append(time.perf_counter() - begin)
        return result

    return repeat


def _latency(times: list[float]) -> list[str]:
    if len(times) < 2:
        return []
    p50, p99 = np.percentile(np.multiply(times, 1000), [50, 99])
    return [f"{len(times)} times: p50 {p50:.1f} ms, p99 {p99:.1f} ms"]


def _images(server: Rest | Rpc, arguments: argparse.Namespace) -> np.ndarray:
    """Asks the server for the images of the picture, float32 [N, H, W, C]."""
    if not arguments.image:
        parts = [
            _predict(server, "sample_each", {"seed": _seeds(arguments.seed, range(first, last))})
            for first in range(0, arguments.n, _ROWS)
            for last in [min(first + _ROWS, arguments.n)]
        ]
        if len({part.shape[1:] for part in parts}) > 1:
            raise QueryError(f"{server.address} answers with pictures of several sizes")
        return np.concatenate(parts)
    signatures = server.shapes()
    inputs = signatures.get("reconstruct_each")
    if not inputs or "image" not in inputs:
        names = ", ".join(sorted(signatures))
        raise QueryError(f"{server.address} does not reconstruct: it has {names}")
    shape = picture_shape(inputs["image"])
    image = read_image(arguments.image, preparation_for(shape, arguments.data))[None]
    made = _predict(
        server, "reconstruct_each", {"image": image, "seed": _seeds(arguments.seed, [0])}
    )
    if made.shape != image.shape:
        raise QueryError(f"{server.address} makes {list(made.shape)} of {list(image.shape)}")
    return np.concatenate([image, made])


def _predict(server: Rest | Rpc, signature: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return checked_images(server.predict(signature, inputs), len(inputs["seed"]), server.address)


def _seeds(seed: int, rows) -> np.ndarray:
    return np.array([[seed % 2**31, row] for row in rows], np.int32)


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="query_serving", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--url", default="http://localhost:8501", help="http://, https:// or grpc://host:port"
    )
    parser.add_argument("--model", required=True, help="name in models.config")
    parser.add_argument("--out", required=True, help="picture to write, e.g. samples.png")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for the whole exchange")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same pictures")
    parser.add_argument("--repeat", type=int, default=1, help="ask so often, and tell p50 and p99")
    parser.add_argument("--data", help="data.json of the run or model (default: crop the middle)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--n", type=int, default=64, help="number of samples")
    what.add_argument("--image", help="picture to reconstruct instead of sampling")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
