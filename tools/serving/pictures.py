"""Pictures in, prepared as in training, and a grid of pictures out."""

import json
import math
import warnings
from pathlib import Path

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import decoding, preparation
from tf_shortrun.data.preparation import Preparation
from tools.serving.limits import GARBAGE, QueryError


def preparation_for(shape: list[int], data: str | None) -> Preparation:
    """Returns how a picture becomes [H, W, C].

    Args:
      data: the file data.json of the run, or assets.extra/data.json of the model. None: the
        preparation that training has by default, the largest box in the middle.

    Raises:
      QueryError: if the file cannot be read, or is of another model.
    """
    if data is None:
        return Preparation(*shape)
    try:
        described = json.loads(Path(data).read_text(encoding="utf-8"))["preparation"]
        known = preparation.read(described) if described else None
    except (*GARBAGE, OSError, InputError) as error:
        raise QueryError(f"{data} cannot be read, give data.json of the run: {error!r}") from error
    if known is None:
        raise QueryError(f"{data} does not say how a picture is prepared: leave --data out")
    if list(known.shape) != shape:
        raise QueryError(f"{data} is for pictures {list(known.shape)}, the model takes {shape}")
    return known


def read_image(file: str, prepare: Preparation) -> np.ndarray:
    """Reads a picture from a file, prepared as in training: float32 [H, W, C] in [-1, 1].

    Raises:
      QueryError: if it cannot be read.
    """
    try:
        if Path(file).exists() and not Path(file).is_file():
            raise OSError("it is no file")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            pixels, _ = prepare(decoding.header(Path(file).read_bytes()))
    except decoding.UNREADABLE as error:
        raise QueryError(f"{file} cannot be read as a picture: {error}") from error
    return pixels.astype(np.float32) / 127.5 - 1


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
