"""Toys in the plane whose density is known.

Every law has one form, with u uniform on [0, 1) and e ~ N(0, I):

    x = center(u) + std e,     p(x) = integral_0^1 N(x; center(u), std^2 I) du

For a mixture of M modes center(u) is row floor(M u) of `*_centers`, so the integral
is a mean over M rows; for a curve it is a mean over a fine grid of positions u.
Coordinates are the published ones divided by a number named at each law, chosen so
that points lie in [-1, 1] (a Gaussian tail leaves it beyond 3.4 std at the earliest).
A log density in published coordinates is ours minus 2 log(that number).

References: I. Gulrajani, F. Ahmed, M. Arjovsky, V. Dumoulin, A. Courville, Improved
training of Wasserstein GANs, NeurIPS 2017 (ring, grid, swiss roll). A. Goyal, N. R. Ke,
S. Ganguli, Y. Bengio, Variational walkback, NeurIPS 2017 (spiral).
"""

from collections.abc import Callable

import numpy as np

from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.errors import InputError

# Published units over the divisor of each law: ring, grid and swiss roll are halved.
RING_STD = 0.02 / 1.414 / 2
GRID_STD = 0.05 / 2.828 / 2
SWISS_ROLL_STD = 0.25 / 7.5 / 2
SPIRAL_STD = 0.01 / 1.05


def gaussians_ring(num_train: int, num_test: int, seed: int, num_modes: int = 8) -> Dataset:
    """Equal Gaussians on a circle; the label is the mode."""
    law = _mixture(ring_centers(num_modes))
    return _dataset("gaussians_ring", law, RING_STD, num_train, num_test, seed)


def gaussians_grid(num_train: int, num_test: int, seed: int) -> Dataset:
    """25 equal Gaussians on a 5 x 5 grid; the label is the mode."""
    law = _mixture(grid_centers())
    return _dataset("gaussians_grid", law, GRID_STD, num_train, num_test, seed)


def spiral(num_train: int, num_test: int, seed: int) -> Dataset:
    """One turn of a spiral with noise; no labels (-1)."""
    law = _curve(spiral_curve)
    return _dataset("spiral", law, SPIRAL_STD, num_train, num_test, seed)


def swiss_roll(num_train: int, num_test: int, seed: int) -> Dataset:
    """One and a half turns of a roll with noise; no labels (-1)."""
    law = _curve(swiss_roll_curve)
    return _dataset("swiss_roll", law, SWISS_ROLL_STD, num_train, num_test, seed)


def ring_centers(num_modes: int = 8) -> np.ndarray:
    """Radius 2 / 1.414 at angles 2 pi k / num_modes, then divided by 2: [num_modes, 2].

    Raises:
      InputError: without a mode.
    """
    if num_modes < 1:
        raise InputError(f"num_modes is {num_modes}: a ring has at least one mode")
    angle = 2 * np.pi * np.arange(num_modes) / num_modes
    return 2 / 1.414 / 2 * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def grid_centers() -> np.ndarray:
    """{-4, -2, 0, 2, 4}^2 / 2.828, then divided by 2, the first coordinate slowest: [25, 2]."""
    ticks = np.arange(-4, 5, 2) / 2.828 / 2
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(25, 2)


def spiral_curve(position: np.ndarray) -> np.ndarray:
    """r (sin 2 pi u, cos 2 pi u) with r = (2 u + 1) / 3, divided by 1.05: [..., 2].

    1.05 is the largest radius plus five published std.
    """
    radius, angle = (2 * position + 1) / 3, 2 * np.pi * position
    return radius[..., None] * np.stack([np.sin(angle), np.cos(angle)], axis=-1) / 1.05


def swiss_roll_curve(position: np.ndarray) -> np.ndarray:
    """t (cos t, sin t) / 7.5 with t = 3 pi / 2 (1 + 2 u), then divided by 2: [..., 2]."""
    t = 1.5 * np.pi * (1 + 2 * position)
    return t[..., None] * np.stack([np.cos(t), np.sin(t)], axis=-1) / 7.5 / 2


def _mixture(centers: np.ndarray) -> Callable:
    def law(rng, num):
        mode = rng.integers(len(centers), size=num)
        return centers[mode], mode

    return law


def _curve(curve: Callable) -> Callable:
    def law(rng, num):
        return curve(rng.random(num)), np.full(num, -1)

    return law


def _dataset(name: str, law: Callable, std: float, num_train, num_test, seed) -> Dataset:
    if num_train < 1 or num_test < 1:
        raise InputError(f"{name}: num_train {num_train} and num_test {num_test} must be positive")

    def draw(num, stream):
        # A stream for each split: the size of one does not change the points of the other.
        rng = np.random.default_rng([seed % 2**31, stream])
        center, label = law(rng, num)
        points = center + std * rng.standard_normal((num, 2))
        return Split(points.astype(np.float32), label.astype(np.int32))

    return Dataset(name, draw(num_train, 0), draw(num_test, 1))
