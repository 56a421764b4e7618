"""Pictures of points in the plane; they are called like evals and return uint8 [H, W, 3]."""

import dataclasses
from typing import ClassVar

import numpy as np

from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures import plots
from tf_shortrun.evals.pictures.grids import Pictures, compiled

_SIDE, _REACH, _RIM = 320, 1.1, 1.09  # pixels; half the side of the plane that is shown
_GREY, _BLUE = "#bebebe", "#104080"
_AREA, _OPACITY = 3.0, 0.8  # of a dot, in square points; overlapping dots look darker


@dataclasses.dataclass(frozen=True)
class SamplesInPlane:
    """A picture `samples`: `num` new points drawn over the test points."""

    captions: ClassVar = {
        "samples": (
            "New points, each from fresh noise, in blue over the test points in grey. A part of "
            "the data without blue points is missing from the samples."
        ),
    }

    num: int
    __post_init__ = check_counts

    def check(self, learner: Learner, dataset: Dataset):
        del learner
        _check_plane(dataset.image_shape)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        samples = compiled(learner.sample)(self.num, seed)
        return {"samples": scatter(samples, dataset.test.images, _SIDE)}


def scatter(points: np.ndarray, data: np.ndarray, side: int) -> np.ndarray:
    """Draws points [N, 2] in blue over data [M, 2] in grey: uint8 [side, side, 3].

    The picture shows [-1.1, 1.1]^2, with the second coordinate upwards. Points outside are drawn
    at the border, and NaN is omitted.

    Raises:
      InputError: if the observations are not points in the plane.
    """
    axes = plots.full_axes(side, side)
    axes.set(xlim=(-_REACH, _REACH), ylim=(-_REACH, _REACH))
    axes.axis("off")
    for layer, colour in ((data, _GREY), (points, _BLUE)):
        x, y = _inside(np.asarray(layer, np.float64)).T
        axes.scatter(x, y, s=_AREA, c=colour, alpha=_OPACITY, linewidths=0)
    return plots.picture(axes.figure)


def _inside(points: np.ndarray) -> np.ndarray:
    _check_plane(points.shape[1:])
    return np.clip(points[~np.isnan(points).any(axis=1)], -_RIM, _RIM)


def _check_plane(shape: tuple[int, ...]):
    if tuple(shape) != (2,):
        raise InputError(
            f"only points in the plane can be scattered, not observations of shape "
            f"{tuple(shape)}: remove this picture from the pictures"
        )
