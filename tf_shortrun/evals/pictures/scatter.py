"""Pictures of points in the plane: called like evals, they return uint8 [H, W, 3]."""

import dataclasses
from typing import ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter

from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures.grids import Pictures, compiled

_SIDE, _REACH = 320, 1.1  # pixels, half the side of the plane that is shown
_WHITE, _GREY, _BLUE = (255, 255, 255), (190, 190, 190), (16, 64, 128)
_FINENESS, _DOT, _INK = 2, 0.7, 2.0  # histogram bins in a pixel; radius, pixels; optical depth


@dataclasses.dataclass(frozen=True)
class SamplesInPlane:
    """`samples`: `num` new points above the test points."""

    captions: ClassVar = {
        "samples": (
            "New points, each from fresh noise, in blue above the test points in grey. A part of "
            "the data without blue is missing."
        ),
    }

    num: int
    __post_init__ = check_counts

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        samples = compiled(learner.sample)(self.num, seed)
        return {"samples": scatter(samples, dataset.test.images, _SIDE)}


def scatter(points: np.ndarray, data: np.ndarray, side: int) -> np.ndarray:
    """Points [N, 2] in blue above data [M, 2] in grey: uint8 [side, side, 3].

    Shows [-1.1, 1.1]^2, the second coordinate upwards. Points beyond lie on the rim, and
    NaN is left out.

    Raises:
      InputError: if the observations are no points in the plane.
    """
    picture = np.broadcast_to(np.array(_WHITE, np.float64), [side, side, 3])
    for layer, colour in ((data, _GREY), (points, _BLUE)):
        opacity = _opacity(np.asarray(layer, np.float64), side)[..., None]
        picture = (1 - opacity) * picture + opacity * colour
    return np.round(picture).astype(np.uint8)


def _opacity(points: np.ndarray, side: int) -> np.ndarray:
    """Round dots, darker where they overlap: [side, side] in [0, 1]."""
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(
            f"only points in the plane can be scattered, not observations of shape "
            f"{points.shape[1:]}: take this picture out of the pictures"
        )
    right, up = np.clip(points[~np.isnan(points).any(axis=1)], -_REACH, _REACH).T
    span = (-_REACH, _REACH)
    counts = np.histogram2d(-up, right, side * _FINENESS, (span, span))[0]
    radius = _DOT * _FINENESS
    depth = _INK * 2 * np.pi * radius**2 * gaussian_filter(counts, radius)
    fine = 1 - np.exp(-depth)
    return fine.reshape(side, _FINENESS, side, _FINENESS).mean(axis=(1, 3))
