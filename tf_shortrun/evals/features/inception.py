"""Inception features, as in published Frechet distances, from a copy of the 2015 graph.

References: M. Heusel et al., GANs trained by a two time-scale update rule converge
to a local Nash equilibrium, NIPS 2017.
"""

import hashlib
import pathlib

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features.extractor import Extractor

_IMAGES, _FEATURES = "ExpandDims:0", "pool_3:0"


def inception2015(dataset: Dataset, path: str, sha256: str) -> Extractor:
    """Returns the features `pool_3` [B, 2048] of `classify_image_graph_def.pb` of 2015-12-05.

    path: the frozen graph, which this package does not contain.
    sha256: the checksum of the file in hexadecimal. Numbers are comparable only with numbers
      of the same graph, so set the checksum in the configuration.

    The graph gets images in [0, 255] and resizes them itself, with the bilinear interpolation
    of 2015. Grey images are repeated to three channels.

    Raises:
      InputError: if `dataset` does not have grey or colour images, the file is missing or
        has another checksum, or it is not such a graph.
    """
    shape = dataset.image_shape
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise InputError(
            f"{dataset.name} has observations of shape {shape}: inception2015 needs images "
            "(H, W, 1) or (H, W, 3), choose another extractor"
        )
    description = "2015-12-05 graph, pool_3; comparable with published distances of equal counts"
    return Extractor("inception2015", description, _load(pathlib.Path(path), sha256))


def _load(path: pathlib.Path, sha256: str):
    graph, images, features = _import(_read(path, sha256), path)
    # A session, not a function: TensorFlow runs the batch normalisation of this graph only
    # in graphs marked as old, and functions are marked as new.
    session = tf.compat.v1.Session(graph=graph)

    def run(batch: tf.Tensor) -> np.ndarray:
        pixels = (np.asarray(batch) + 1.0) * 127.5
        colour = np.repeat(pixels, 3 // pixels.shape[-1], axis=-1)
        return session.run(features, {images: colour})

    return run


def _read(path: pathlib.Path, sha256: str) -> bytes:
    if not path.is_file():
        raise InputError(f"inception2015.path {path} is not a file: give the 2015 frozen graph")
    blob = path.read_bytes()
    found = hashlib.sha256(blob).hexdigest()
    if found != sha256.lower():
        raise InputError(
            f"{path} has sha256 {found}, not inception2015.sha256 {sha256}: correct one of them"
        )
    return blob


def _import(blob: bytes, path: pathlib.Path) -> tuple[tf.Graph, tf.Tensor, tf.Tensor]:
    """Imports the graph, with a batch of any size and resolution in place of its single image."""
    definition, graph = tf.compat.v1.GraphDef(), tf.Graph()
    try:
        definition.ParseFromString(blob)
        with graph.as_default():
            images = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3])
            pool = tf.graph_util.import_graph_def(definition, {_IMAGES: images}, [_FEATURES])[0]
            features = tf.squeeze(pool, [1, 2])
    except (DecodeError, ValueError) as error:
        raise InputError(
            f"{path} is not a frozen graph with the nodes {_IMAGES} and {_FEATURES}: "
            "give the 2015 frozen graph"
        ) from error
    return graph, images, features
