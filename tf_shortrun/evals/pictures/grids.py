"""Grids of images of a learner; they are called like evals and return uint8 [H, W, 3]."""

import dataclasses
import functools
import pathlib
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf
from PIL import Image

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import HasLatents, Learner, Reconstructs
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.latent_paths import great_circle
from tf_shortrun.core.shapes import Batch, Seed
from tf_shortrun.data.dataset import Dataset, to_float

Pictures = dict[str, np.ndarray]

_MIN_SIDE, _SEPARATOR, _GREY = 32, 2, 128  # pixels, pixels, level

# Pictures are drawn repeatedly during training, so methods of the learner are traced once.
compiled = functools.lru_cache(maxsize=8)(tf.function)


@dataclasses.dataclass(frozen=True)
class SampleGrid:
    """Pictures `samples` and `data`: new and test observations, `rows` by `columns` each."""

    captions: ClassVar = {
        "samples": (
            "New observations, each from fresh noise. Judge variety as well as sharpness: tiles "
            "that look alike are missing modes."
        ),
        "data": "Test observations, for comparison with the samples.",
    }

    rows: int
    columns: int
    __post_init__ = check_counts

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        num = self.rows * self.columns
        images = compiled(learner.sample)(num, seed)
        data = pick_batch(dataset, num)["image"]
        return {"samples": grid(images, self.columns), "data": grid(data, self.columns)}


@dataclasses.dataclass(frozen=True)
class ReconstructionGrid:
    """A picture `reconstructions`: `num` test images above their reconstructions."""

    captions: ClassVar = {
        "reconstructions": "Test images above, and the reconstruction of each by the model below.",
    }

    num: int
    __post_init__ = check_counts

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        require(learner, Reconstructs, "ReconstructionGrid")
        batch = pick_batch(dataset, self.num)
        images = compiled(learner.reconstruct)(batch, seed)
        return {"reconstructions": grid(tf.concat([batch["image"], images], 0), self.num)}


@dataclasses.dataclass(frozen=True)
class InterpolationGrid:
    """A picture `interpolations`: each row leads from one test image to another.

    The learner infers latents for both images. The path between them is a great circle in
    noise space, with the latents of all layers as one vector.
    """

    captions: ClassVar = {
        "interpolations": (
            "Each row leads from one test image to another through the latent space. A good "
            "path is smooth, and each image on it is itself a good sample."
        ),
    }

    rows: int
    columns: int
    __post_init__ = check_counts

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        require(learner, HasLatents, "InterpolationGrid")
        latents = compiled(learner.infer)(pick_batch(dataset, 2 * self.rows), seed)
        start, end = zip(*(tf.split(z, 2) for z in latents), strict=True)
        images = compiled(learner.decode)(great_circle(start, end, self.columns))
        return {"interpolations": grid(images, self.columns)}


@dataclasses.dataclass(frozen=True)
class LayerResamplingGrid:
    """A picture `layers`: what each latent layer controls, one block of `rows` for each, top first.

    A row begins with a sample; in the other columns one layer has new noise and all
    other layers keep their noise. Every block begins with the same samples.
    """

    captions: ClassVar = {
        "layers": (
            "What each latent layer controls, the top layer first. Every block of rows begins "
            "with the same samples; in the other columns one layer has new noise and the other "
            "layers keep their noise. That layer controls what changes along a row."
        ),
    }

    rows: int
    columns: int
    __post_init__ = check_counts

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        del dataset
        require(learner, HasLatents, "LayerResamplingGrid")
        first, second = noise.split(seed, 2)
        kept = learner.sample_latents(self.rows, first)
        kept = [tf.repeat(z, self.columns, axis=0) for z in kept]
        fresh = learner.sample_latents(self.rows * self.columns, second)
        is_first = (tf.range(self.rows * self.columns) % self.columns == 0)[:, None]
        decode = compiled(learner.decode)
        blocks = []
        for l, new in enumerate(fresh):
            mixed = [*kept[:l], tf.where(is_first, kept[l], new), *kept[l + 1 :]]
            blocks.append(grid(decode(mixed), self.columns))
        return {"layers": stack(blocks)}


def grid(images: tf.Tensor, columns: int) -> np.ndarray:
    """Draws images [N, H, W, C] in [-1, 1] as one picture, row by row: uint8 [., ., 3].

    Small images are enlarged by an integer factor to tiles of at least 32 pixels.

    Raises:
      InputError: if the observations are not grey or colour images.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            f"only images can be drawn, not observations of shape {images.shape[1:]}: "
            "remove this picture from the pictures"
        )
    pixels = np.round((np.clip(images, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)
    scale = -(-_MIN_SIDE // min(images.shape[1:3]))
    tiles = np.repeat(np.repeat(pixels, scale, 1), scale, 2)
    tiles = np.repeat(tiles, 3 // tiles.shape[-1], -1)
    blank, gap = (0, -len(tiles) % columns), (0, _SEPARATOR)
    tiles = np.pad(tiles, (blank, gap, gap, (0, 0)), constant_values=_GREY)
    _, height, width, _ = tiles.shape
    rows = tiles.reshape(-1, columns, height, width, 3).swapaxes(1, 2)
    picture = rows.reshape(-1, columns * width, 3)
    return np.pad(picture, (gap[::-1], gap[::-1], (0, 0)), constant_values=_GREY)


def stack(blocks: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks pictures of equal width, one below the other with a band between them."""
    gap = ((0, 4 * _SEPARATOR), (0, 0), (0, 0))
    above = [np.pad(block, gap, constant_values=_GREY) for block in blocks[:-1]]
    return np.concatenate([*above, blocks[-1]])


def write_png(path: pathlib.Path | str, picture: np.ndarray) -> None:
    """Writes uint8 [H, W, 3] as a PNG file."""
    Image.fromarray(picture).save(path, format="PNG")


def pick_batch(dataset: Dataset, num: int) -> Batch:
    """Returns `num` equally spaced test examples, because some test splits are sorted by class."""
    index = np.linspace(0, len(dataset.test.images) - 1, num).astype(np.int64)
    images, labels = (array[index] for array in dataset.test)
    return {"image": to_float(images), "index": tf.constant(index), "label": tf.constant(labels)}
