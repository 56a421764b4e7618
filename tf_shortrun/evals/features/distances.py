"""Distances between two sets of features: Frechet, kernel, precision and recall.

Pure functions of float64 arrays. Letters: N examples, F features.

References:
  D. C. Dowson, B. V. Landau, The Frechet distance between multivariate normal
    distributions, Journal of Multivariate Analysis 1982.
  M. Heusel et al., GANs trained by a two time-scale update rule converge to a
    local Nash equilibrium, NIPS 2017.
  M. Binkowski et al., Demystifying MMD GANs, ICLR 2018.
  T. Kynkaanniemi et al., Improved precision and recall metric for assessing
    generative models, NeurIPS 2019.
"""

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the mean [F] and the unbiased covariance [F, F] of features [N, F]."""
    return np.mean(x, axis=0), np.atleast_2d(np.cov(x, rowvar=False))


def frechet(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """Returns the squared Frechet (2-Wasserstein) distance between two Gaussians.

        |m1 - m2|^2 + tr C1 + tr C2 - 2 tr (C1^1/2 C2 C1^1/2)^1/2

    The last trace is the nuclear norm of C1^1/2 C2^1/2. Unlike the eigenvalues of the
    product, this norm stays precise if a covariance is singular (fewer examples than
    features). It needs no jitter, and no number becomes complex.
    """
    cross = np.linalg.norm(_root(cov1) @ _root(cov2), "nuc")
    distance = np.sum((mean1 - mean2) ** 2) + np.trace(cov1) + np.trace(cov2) - 2.0 * cross
    return float(distance)


def kid(x: np.ndarray, y: np.ndarray, num_subsets: int, subset_size: int, seed: int) -> float:
    """Returns the kernel inception distance: unbiased squared MMD, mean over random subsets.

        mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_ij k(x_i, y_j),
        k(a, b) = (a . b / F + 1)^3

    The estimate is unbiased, so for equal distributions it is about 0, and sometimes negative.
    Subsets have `subset_size` examples, or as many as the smaller set if it has fewer.
    """
    rng = np.random.default_rng(seed)
    size = min(subset_size, len(x), len(y))
    draws = [
        _squared_mmd(
            x[rng.choice(len(x), size, replace=False)], y[rng.choice(len(y), size, replace=False)]
        )
        for _ in range(num_subsets)
    ]
    return float(np.mean(draws))


def precision_recall(real: np.ndarray, fake: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Returns improved precision and recall of `fake` [M, F] with respect to `real` [N, F].

    The manifold of a set is the union of balls around its points. The radius of a ball is the
    distance to the k-th nearest other point. Precision is the fraction of fake points inside
    the real manifold, recall the fraction of real points inside the fake manifold.
    """
    return _fraction_inside(fake, real, k), _fraction_inside(real, fake, k)


def _root(matrix: np.ndarray) -> np.ndarray:
    """Returns the symmetric square root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def _squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the unbiased squared maximum mean discrepancy of two sets of equal size n."""
    n = len(x)
    within = sum(np.sum(k) - np.trace(k) for k in (_cubic(x, x), _cubic(y, y)))
    return within / (n * (n - 1)) - 2.0 * np.mean(_cubic(x, y))


def _cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    kernel = x @ y.T / x.shape[1] + 1.0
    return kernel * kernel * kernel  # much faster than ** 3


def _fraction_inside(points: np.ndarray, centres: np.ndarray, k: int) -> float:
    """Returns the fraction of `points` within the k-nearest-neighbour balls of `centres`."""
    neighbours = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(centres)
    radii = neighbours.kneighbors()[0][:, -1]  # called without points, it excludes the point itself
    blocks = pairwise_distances_chunked(
        points, centres, reduce_func=lambda distances, _: np.any(distances <= radii, axis=1)
    )
    return float(np.mean(np.concatenate(list(blocks))))
