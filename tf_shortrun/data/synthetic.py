"""Synthetic data sets in the plane with known densities.

All have one form, with u uniform on [0, 1) and e ~ N(0, I):

    x = center(u) + std e,     p(x) = integral_0^1 N(x; center(u), std^2 I) du

For a mixture of M modes, center(u) is row floor(M u) of its centers, so the integral
is a mean over M rows. For a curve, the integral is a mean over a fine grid of positions u.
Centers and std in this file are the published values. The points of a data set are divided
by its `unit`, so that they lie in [-1, 1] (only noise of at least 3.4 std leaves this range).

References: I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin, A. Courville, Improved
training of Wasserstein GANs, NeurIPS 2017 (ring, grid, swiss roll). A. Goyal, N. R. Ke,
S. Ganguli, Y. Bengio, Variational walkback, NeurIPS 2017 (spiral, mixture).
"""

from collections.abc import Callable

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.plane_distribution import PlaneDistribution

_POSITIONS, _PIECES = 4000, 20  # of a curve


def gaussians_ring(num_train: int, num_test: int, seed: int, num_modes: int = 8) -> Dataset:
    """Draws from equal Gaussians on a circle, std 0.02 / 1.414; the label is the mode."""
    centers, std = ring_centers(num_modes), 0.02 / 1.414
    return _mixture("gaussians_ring", centers, std, 2.0, (num_train, num_test), seed)


def gaussians_grid(num_train: int, num_test: int, seed: int) -> Dataset:
    """Draws from 25 equal Gaussians on a 5 x 5 grid, std 0.05 / 2.828; the label is the mode."""
    centers, std = grid_centers(), 0.05 / 2.828
    return _mixture("gaussians_grid", centers, std, 2.0, (num_train, num_test), seed)


def mixture(num_train: int, num_test: int, seed: int) -> Dataset:
    """Draws from nine equal Gaussians at {-1, 0, 1}^2, std 0.05; the label is the mode.

    The unit, 1.25, is the largest coordinate of a mean plus five std.
    """
    centers = square_centers([-1.0, 0.0, 1.0])
    return _mixture("mixture", centers, 0.05, 1.25, (num_train, num_test), seed)


def spiral(num_train: int, num_test: int, seed: int) -> Dataset:
    """Draws from one turn of a spiral with noise, std 0.01; no labels (-1).

    The unit, 1.05, is the largest radius plus five std.
    """
    return _curve("spiral", spiral_curve, 0.01, 1.05, (num_train, num_test), seed)


def swiss_roll(num_train: int, num_test: int, seed: int) -> Dataset:
    """Draws from 1.5 turns of a swiss roll with noise, std 0.25 / 7.5; no labels (-1)."""
    return _curve("swiss_roll", swiss_roll_curve, 0.25 / 7.5, 2.0, (num_train, num_test), seed)


def ring_centers(num_modes: int = 8) -> np.ndarray:
    """Returns centers of radius 2 / 1.414 at angles 2 pi k / num_modes: [num_modes, 2].

    Raises:
      InputError: if `num_modes` is less than 1.
    """
    if num_modes < 1:
        raise InputError(f"num_modes is {num_modes}: choose at least 1")
    angle = 2 * np.pi * np.arange(num_modes) / num_modes
    return 2 / 1.414 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def grid_centers() -> np.ndarray:
    """Returns {-4, -2, 0, 2, 4}^2 / 2.828, the first coordinate slowest: [25, 2]."""
    return square_centers(np.arange(-4, 5, 2) / 2.828)


def square_centers(ticks: np.ndarray) -> np.ndarray:
    """Returns all pairs of n `ticks`, the first coordinate slowest: [n^2, 2]."""
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)


def spiral_curve(position: np.ndarray) -> np.ndarray:
    """Returns r (sin 2 pi u, cos 2 pi u) with r = (2 u + 1) / 3: [..., 2]."""
    radius, angle = (2 * position + 1) / 3, 2 * np.pi * position
    return radius[..., None] * np.stack([np.sin(angle), np.cos(angle)], axis=-1)


def swiss_roll_curve(position: np.ndarray) -> np.ndarray:
    """Returns t (cos t, sin t) / 7.5 with t = 3 pi / 2 (1 + 2 u): [..., 2]."""
    t = 1.5 * np.pi * (1 + 2 * position)
    return t[..., None] * np.stack([np.cos(t), np.sin(t)], axis=-1) / 7.5


def _mixture(name: str, centers: np.ndarray, std: float, unit: float, sizes, seed) -> Dataset:
    distribution = PlaneDistribution(centers / unit, std / unit, np.arange(len(centers)))

    def draw_center(rng, num):
        mode = rng.integers(len(centers), size=num)
        return distribution.centers[mode], mode

    return _dataset(name, distribution, draw_center, unit, sizes, seed)


def _curve(name: str, curve: Callable, std: float, unit: float, sizes, seed) -> Dataset:
    place = np.arange(_POSITIONS)
    centers = curve((place + 0.5) / _POSITIONS)
    distribution = PlaneDistribution(centers / unit, std / unit, place * _PIECES // _POSITIONS)

    def draw_center(rng, num):
        return curve(rng.random(num)) / unit, np.full(num, -1)

    return _dataset(name, distribution, draw_center, unit, sizes, seed)


def _dataset(
    name: str, distribution: PlaneDistribution, draw_center: Callable, unit: float, sizes, seed
) -> Dataset:
    if min(sizes) < 1:
        raise InputError(f"{name}: num_train, num_test are {sizes}: both must be positive")

    def draw(num, stream):
        # Each split has its own stream, so its points do not depend on the size of the other split.
        rng = np.random.default_rng([seed % 2**31, stream])
        center, label = draw_center(rng, num)
        points = center + distribution.std * rng.standard_normal((num, 2))
        return Split(points.astype(np.float32), label.astype(np.int32))

    return Dataset(name, draw(sizes[0], 0), draw(sizes[1], 1), unit, distribution)
