"""Requests that a server makes of a model before it serves it, so that the first call is not slow.

One for each signature with a batch axis throughout. The others cannot be called where the server
puts calls together (`--enable_batching`), and a model whose warm-up fails is not served.
"""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_shortrun.export.predict_messages import MESSAGES, predict_request
from tf_shortrun.export.signatures import Signature

FILE = "assets.extra/tf_serving_warmup_requests"


def write(folder: Path, name: str, signatures: Mapping[str, Signature], shape: list[int]) -> None:
    """Writes a TFRecord of PredictionLog, one request with one row for each signature."""
    (folder / FILE).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / FILE)) as file:
        for signature, each in signatures.items():
            if each.is_batchable:
                inputs = {key: _row(spec, shape) for key, spec in each.inputs.items()}
                log = MESSAGES["PredictionLog"]()
                request = predict_request(name, signature, inputs)
                log.predict_log.request.CopyFrom(request)
                file.write(log.SerializeToString(deterministic=True))


def _row(spec: tf.TensorSpec, shape: list[int]) -> np.ndarray:
    """Returns one row of an input: zeros, or the file of a black picture."""
    if spec.dtype != tf.string:
        return np.zeros([1, *spec.shape[1:]], spec.dtype.as_numpy_dtype)
    file = io.BytesIO()
    Image.new("L", (shape[1], shape[0])).save(file, "PNG")
    return np.array([file.getvalue()], object)
