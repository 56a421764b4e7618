"""The known distribution of synthetic data in the plane."""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

_MEMORY = 64  # MiB


class PlaneDistribution(NamedTuple):
    """A mixture of M isotropic Gaussians of equal weight, in the coordinates of the data set.

        p(x) = 1/M sum_m N(x; c_m, std^2 I)

    The centers are the modes of a mixture, or a fine grid of positions along a curve.

    centers: c_m, float64 [M, 2]; along a curve they are in order.
    std: standard deviation of the noise around a center.
    pieces: int [M], the piece of each center, from 0 on. A piece is a mode of a mixture, or a
      section of a curve; all sections have equal probability. Evals count samples by piece.
    """

    centers: np.ndarray
    std: float
    pieces: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """The probability of each piece."""
        return np.bincount(self.pieces) / len(self.pieces)

    @property
    def is_mixture(self) -> bool:
        """Whether every center is a mode, not a position on a curve."""
        return len(self.shares) == len(self.centers)

    def log_prob(self, points: np.ndarray) -> np.ndarray:
        """Returns log p(x) at points [N, 2]: float64 [N], nats."""

        def log_sum(squares, _):
            return logsumexp(-squares / (2 * self.std**2), axis=1)

        blocks = pairwise_distances_chunked(
            np.asarray(points, np.float64),
            self.centers,
            reduce_func=log_sum,
            metric="sqeuclidean",
            working_memory=_MEMORY,
        )
        log_normalizer = np.log(2 * np.pi * self.std**2 * len(self.centers))
        return np.concatenate(list(blocks)) - log_normalizer

    def nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the distance of points [N, 2] to the nearest center, and its piece: [N] each."""
        neighbours = NearestNeighbors(n_neighbors=1).fit(self.centers)
        distance, index = neighbours.kneighbors(np.asarray(points, np.float64))
        return distance[:, 0], self.pieces[index[:, 0]]
