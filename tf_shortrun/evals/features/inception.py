"""Inception features, as in published Frechet distances, by the network of 2015.

The network is that of the graph of 2015-12-05, to which all published distances refer. It
differs from later Inception v3 networks: its weights are others, average pooling leaves
the padding out of the mean, and the last block has a maximum in place of an average.

References:
  C. Szegedy et al., Rethinking the Inception architecture for computer vision, CVPR 2016.
  M. Heusel et al., GANs trained by a two time-scale update rule converge to a local Nash
    equilibrium, NIPS 2017.
"""

import functools
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.features import inception_weights
from tf_shortrun.evals.features.extractor import Extractor
from tf_shortrun.evals.features.inception_weights import FrozenConvolution

_DESCRIPTION = (
    "network of 2015-12-05, pool_3; comparable with published distances of equal counts "
    "and the same split"
)
_SIDE = 299
_CHUNK = 50  # images at a time, which bounds the memory


def inception2015(dataset: Dataset) -> Extractor:
    """Returns the features `pool_3` [B, 2048] of the network of 2015-12-05.

    Images are clipped and rounded to whole levels from 0 to 255, because published distances
    are those of image files. Grey images are repeated to three channels.

    Raises:
      InputError: if `dataset` does not have grey or colour images, or the weights are not
        installed or damaged (see `inception_weights`).
    """
    shape = dataset.image_shape
    if len(shape) != 3 or shape[-1] not in (1, 3):
        raise InputError(
            f"{dataset.name} has observations of shape {shape}: inception2015 needs images "
            "(H, W, 1) or (H, W, 3), choose another extractor"
        )
    network = _load(inception_weights.find())
    return Extractor("inception2015", lambda: _DESCRIPTION, network, inception_weights.SHA256)


@functools.lru_cache(1)  # a run has several evaluations
def _load(path: pathlib.Path) -> Callable[[tf.Tensor], np.ndarray]:
    layers = {
        name: layer._replace(kernel=tf.constant(layer.kernel), bias=tf.constant(layer.bias))
        for name, layer in inception_weights.read(path, inception_weights.SHA256).items()
    }
    signature = [tf.TensorSpec([None, None, None, 3], tf.float32)]
    network = tf.function(lambda images: _features(images, layers), input_signature=signature)

    def run(images: tf.Tensor) -> np.ndarray:
        colour = tf.repeat(tf.cast(images, tf.float32), 3 // images.shape[-1], axis=-1)
        return np.concatenate(
            [network(colour[i : i + _CHUNK]) for i in range(0, len(colour), _CHUNK)]
        )

    return run


def resize(images: tf.Tensor, side: int) -> tf.Tensor:
    """Resizes images [B, H, W, C] to `side` by the bilinear rule of 2015: source = i * in / out.

    This rule has no half-pixel centres. With the rule of today, the distances are different.
    """
    return tf.raw_ops.ResizeBilinear(
        images=images, size=[side, side], align_corners=False, half_pixel_centers=False
    )


def _features(images: tf.Tensor, layers: dict[str, FrozenConvolution]) -> tf.Tensor:
    levels = tf.round(tf.clip_by_value((images + 1.0) * 127.5, 0.0, 255.0))
    x = (resize(levels, _SIDE) - 128.0) / 128.0
    features = tf.reduce_mean(_body(x, layers), [1, 2])
    # The maximum in a layer may hide NaN.
    is_finite = tf.reduce_all(tf.math.is_finite(images), [1, 2, 3])
    return tf.where(is_finite[:, None], features, np.nan)


def _body(x: tf.Tensor, layers: dict[str, FrozenConvolution]) -> tf.Tensor:
    """Returns the activations [B, 8, 8, 2048] before the last mean of images [B, 299, 299, 3]."""
    for name in ("conv", "conv_1", "conv_2"):
        x = _convolve(x, layers[name])
    x = _max(x)
    for name in ("conv_3", "conv_4"):
        x = _convolve(x, layers[name])
    x = _max(x)
    for name in ("mixed", "mixed_1", "mixed_2"):
        x = _towers(x, layers, name)
    x = _halve(x, layers, "mixed_3", ("conv", "tower"))
    for name in ("mixed_4", "mixed_5", "mixed_6", "mixed_7"):
        x = _towers(x, layers, name)
    x = _halve(x, layers, "mixed_8", ("tower", "tower_1"))
    x = _forks(x, layers, "mixed_9", _average(x))
    return _forks(x, layers, "mixed_10", _max(x, 1, "SAME"))


def _convolve(x: tf.Tensor, layer: FrozenConvolution) -> tf.Tensor:
    x = tf.nn.conv2d(x, layer.kernel, layer.stride, layer.padding)
    return tf.nn.relu(tf.nn.bias_add(x, layer.bias))


def _max(x: tf.Tensor, stride: int = 2, padding: str = "VALID") -> tf.Tensor:
    return tf.nn.max_pool2d(x, 3, stride, padding)


def _average(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.avg_pool2d(x, 3, 1, "SAME")  # leaves the padding out of the mean


def _chain(x: tf.Tensor, layers: dict[str, FrozenConvolution], name: str) -> tf.Tensor:
    """Applies the layer `name`, or all layers of the tower `name` in their order."""
    for key, layer in layers.items():
        if key == name or key.startswith(f"{name}/"):
            x = _convolve(x, layer)
    return x


def _towers(x: tf.Tensor, layers: dict[str, FrozenConvolution], block: str) -> tf.Tensor:
    """Applies three towers, and one to the averages."""
    inputs = {"conv": x, "tower": x, "tower_1": x, "tower_2": _average(x)}
    return tf.concat([_chain(y, layers, f"{block}/{name}") for name, y in inputs.items()], -1)


def _halve(x: tf.Tensor, layers: dict[str, FrozenConvolution], block: str, names) -> tf.Tensor:
    """Applies towers of stride 2, beside the maximum."""
    return tf.concat([*(_chain(x, layers, f"{block}/{name}") for name in names), _max(x)], -1)


def _forks(
    x: tf.Tensor, layers: dict[str, FrozenConvolution], block: str, pooled: tf.Tensor
) -> tf.Tensor:
    """Applies towers that end in two convolutions side by side, 1 x 3 and 3 x 1."""

    def apply(y: tf.Tensor, name: str) -> tf.Tensor:
        return _convolve(y, layers[f"{block}/{name}"])

    a, b = apply(x, "tower_conv"), apply(apply(x, "tower_1_conv"), "tower_1_conv_1")
    parts = [apply(x, "conv")]
    parts += [apply(a, "tower_mixed_conv"), apply(a, "tower_mixed_conv_1")]
    parts += [apply(b, "tower_1_mixed_conv"), apply(b, "tower_1_mixed_conv_1")]
    return tf.concat([*parts, apply(pooled, "tower_2_conv")], -1)
