"""The energy distance between two sets of points.

References:
  G. J. Szekely, M. L. Rizzo, Energy statistics, Journal of Statistical Planning and
    Inference 2013.
"""

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.utils import gen_batches

from tf_shortrun.core.errors import InputError

_BLOCK = 500  # points whose distances are in memory at once


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    """Returns 2 E|X - Y| - E|X - X'| - E|Y - Y'| of points [N, 2] and [M, 2].

    No point is paired with itself, so the estimate is unbiased and can be slightly below 0.

    Raises:
      InputError: if one of the sets has fewer than two points.
    """
    n, m = len(x), len(y)
    check_points(n, m)
    within = _total(x, x) / (n * (n - 1)) + _total(y, y) / (m * (m - 1))
    return 2 * _total(x, y) / (n * m) - within


def check_points(n: int, m: int) -> None:
    """Raises InputError if one of two sets has fewer than two points."""
    if min(n, m) < 2:
        raise InputError(
            f"an energy distance needs two points of each set, not {n} finite samples and {m} "
            "test points: lower the learning rate if samples diverge"
        )


def _total(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the sum of the distances of all pairs."""
    return sum(np.sum(cdist(x[block], y)) for block in gen_batches(len(x), _BLOCK))
