"""Grids of images of a learner; they are called like evals and return uint8 [H, W, 3]."""

import dataclasses
import functools
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import HasLatents, Learner, Reconstructs
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.latent_paths import great_circle
from tf_shortrun.core.shapes import Batch, Seed
from tf_shortrun.data.arrays import to_float
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures.tiles import check_drawable, grid, stack

Pictures = dict[str, np.ndarray]

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

    def check(self, learner: Learner, dataset: Dataset):
        del learner
        check_drawable(dataset.image_shape)

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

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, Reconstructs, "ReconstructionGrid")
        check_drawable(dataset.image_shape)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(learner, dataset)
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

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, HasLatents, "InterpolationGrid")
        check_drawable(dataset.image_shape)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(learner, dataset)
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

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, HasLatents, "LayerResamplingGrid")
        check_drawable(dataset.image_shape)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(learner, dataset)
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


def pick_batch(dataset: Dataset, num: int) -> Batch:
    """Returns `num` equally spaced test examples, because some test splits are sorted by class."""
    index = np.linspace(0, len(dataset.test.images) - 1, num).astype(np.int64)
    images, labels = (array[index] for array in dataset.test)
    return {"image": to_float(images), "index": tf.constant(index), "label": tf.constant(labels)}
