"""An eval and a picture of how well a learner completes partly hidden images."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import ClassVar

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Inpaints, Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Batch, Seed
from tf_shortrun.data.arrays import to_float
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.data.masks import Mask
from tf_shortrun.evals import subset
from tf_shortrun.evals.pictures.grids import Pictures, compiled, pick_batch
from tf_shortrun.evals.pictures.tiles import check_drawable, grid, stack

_MASK_SEED = 0  # fixed, so that all learners complete the same images
_SENTENCES = {
    "inpaint_mse/hidden": "Mean squared error per pixel on [-1, 1], hidden pixels only,",
    "inpaint_mse/observed": "Mean squared error per pixel on [-1, 1], observed pixels only,",
    "inpaint_psnr/hidden": "10 log10(4 / mse) of hidden pixels, dB,",
}


@dataclasses.dataclass(frozen=True)
class Inpainting:
    """An eval of squared errors per pixel on [-1, 1], of hidden and of observed pixels.

        mse = mean_n mean_(i in M_n) (x_ni - x_hat_ni)^2,     psnr = 10 log10(4 / mse) dB

    M_n: the hidden, or the observed, pixels of test image n, all channels. The range of the data
    is 2, so the peak is 2^2 = 4. `inpaint_mse/hidden/<mask>` is for one kind of mask,
    `inpaint_mse/hidden` is the mean over kinds; its psnr is computed from this mean error. The
    learner gets 0 for hidden pixels. `num_images` test images are used, see `evals/subset.py`.
    The noise of batch b comes from fold(seed, b) and is the same for every kind of mask.
    """

    metrics: ClassVar = {
        "inpaint_mse/hidden": Metric("lower", "Squared error per pixel, hidden pixels only."),
        "inpaint_mse/observed": Metric("lower", "Squared error per pixel, observed pixels only."),
        "inpaint_psnr/hidden": Metric("higher", "10 log10(4 / inpaint_mse/hidden), dB."),
        "inpaint_mse/hidden/*": Metric("lower", "As inpaint_mse/hidden, for one kind of mask."),
        "inpaint_mse/observed/*": Metric("lower", "As inpaint_mse/observed, for one kind of mask."),
        "inpaint_psnr/hidden/*": Metric("higher", "As inpaint_psnr/hidden, for one kind of mask."),
    }

    masks: Sequence[Mask]
    num_images: int
    batch_size: int

    def __post_init__(self):
        _check_masks(self)
        check_counts(self)

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, Inpaints, "Inpainting")
        _check_fit(self, dataset)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns the errors over all kinds of masks and for each kind.

        Raises:
          InputError: if the learner cannot inpaint, or the masks do not fit the images.
        """
        self.check(learner, dataset)
        inpaint = _compile(learner, dataset.image_shape)
        errors = {f"/{mask.name}": self._mse(inpaint, mask, dataset, seed) for mask in self.masks}
        errors[""] = np.mean(list(errors.values()), axis=0)
        metrics = {}
        for kind, (hidden, observed) in errors.items():
            values = zip(_SENTENCES, (hidden, observed, _psnr(hidden)), strict=True)
            metrics |= {name + kind: float(value) for name, value in values}
        return metrics

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns a sentence on how each number was measured, by name."""
        kinds = {f"/{mask.name}": str(mask) for mask in self.masks}
        kinds[""] = f"each of {', '.join(kinds.values())} (mean over these)"
        images = subset.phrase(dataset, self.num_images)
        return {
            name + kind: f"{what} of one completion each of {images}, hidden by {masks} "
            f"with mask seed {_MASK_SEED}."
            for kind, masks in kinds.items()
            for name, what in _SENTENCES.items()
        }

    def _mse(self, inpaint: Callable, mask: Mask, dataset: Dataset, seed: Seed) -> np.ndarray:
        """Returns mean errors over images: (hidden, observed)."""
        images = subset.spread(dataset, self.num_images).test.images
        masks = mask(len(images), dataset.image_shape, _MASK_SEED)
        errors = []
        for b, first in enumerate(range(0, len(images), self.batch_size)):
            rows = slice(first, first + self.batch_size)
            image, seen = to_float(images[rows]), masks[rows]
            made = inpaint(_hide(image, seen), noise.fold(seed, b))
            errors.append(_mean_squares(np.asarray(image - made), seen))
        return np.mean(np.concatenate(errors, axis=1), axis=1)


@dataclasses.dataclass(frozen=True)
class InpaintingGrid:
    """A picture `inpaintings`: three rows of `num` test images for each kind of mask.

    The rows are the images, the observed pixels with hidden pixels in grey, and the completions,
    which keep the observed pixels.
    """

    captions: ClassVar = {
        "inpaintings": (
            "Three rows for each kind of mask: test images; the same images as the model sees "
            "them, hidden pixels in grey; the same images with hidden pixels from the model."
        ),
    }

    masks: Sequence[Mask]
    num: int

    def __post_init__(self):
        _check_masks(self)
        check_counts(self)

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, Inpaints, "InpaintingGrid")
        check_drawable(dataset.image_shape)
        _check_fit(self, dataset)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(learner, dataset)
        image, blocks = pick_batch(dataset, self.num)["image"], []
        for mask in self.masks:
            seen = mask(self.num, dataset.image_shape, _MASK_SEED)
            batch = _hide(image, seen)
            made = compiled(learner.inpaint)(batch, seed)
            rows = [image, batch["image"], tf.where(seen, image, made)]
            blocks.append(grid(tf.concat(rows, axis=0), self.num))
        return {"inpaintings": stack(blocks)}


def _check_masks(asked: Inpainting | InpaintingGrid):
    names = [mask.name for mask in asked.masks]
    if not names or len(names) > len(set(names)):
        raise InputError(
            f"{type(asked).__name__}.masks are {names}: give at least one, each with its own name"
        )


def _check_fit(asked: Inpainting | InpaintingGrid, dataset: Dataset):
    """Raises InputError if a mask does not fit the images."""
    for mask in asked.masks:
        mask(1, dataset.image_shape, _MASK_SEED)


def _compile(learner: Inpaints, shape: tuple[int, ...]) -> Callable:
    """Compiles `learner.inpaint` with one signature, so that the last batch causes no new trace."""
    image = tf.TensorSpec([None, *shape], tf.float32)
    mask = tf.TensorSpec([None, *shape[:-1], 1], tf.bool)
    spec = [{"image": image, "mask": mask}, tf.TensorSpec([2], tf.int32)]
    return tf.function(learner.inpaint, input_signature=spec)


def _hide(image: tf.Tensor, mask: np.ndarray) -> Batch:
    """Returns the batch for the learner: image values are 0 where `mask` is False."""
    return {"image": tf.where(mask, image, 0.0), "mask": tf.constant(mask)}


def _mean_squares(difference: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns mean squares [2, B]: over pixels where `mask` is False, and where it is True."""
    squares = np.square(difference, dtype=np.float64)
    return np.stack([np.mean(squares, axis=(1, 2, 3), where=place) for place in (~mask, mask)])


def _psnr(mse: np.float64) -> np.float64:
    with np.errstate(divide="ignore"):  # an error of 0 gives infinity
        return 10.0 * np.log10(4.0 / mse)
