"""Kernel Stein discrepancy: how far draws are from a distribution of which the score is known.

    u(x, y) = s(x).s(y) k + s(x).grad_y k + s(y).grad_x k + tr grad_x grad_y k,    s = grad log p
    k(x, y) = (1 + r)^(-1/2),   r = |x - y|^2 / c,   c the median of |x - y|^2

E u(X, Y) over independent draws of q is 0 if and only if q = p; no draw of p is needed, and no
normalising constant.

References: J. Gorham, L. Mackey, Measuring sample quality with kernels, ICML 2017.
"""

import numpy as np
from scipy.spatial.distance import pdist, squareform


def stein_discrepancy(x: np.ndarray, scores: np.ndarray) -> float:
    """Returns mean_{m != n} u(x_m, x_n) / mean_m u(x_m, x_m).

    About 0 for draws of p, also a little below, since it is unbiased but for c; 1 if all draws
    are one point, and more if they repel each other less than p wants.

    Args:
      x: draws [M, d], independent.
      scores: grad log p at the draws [M, d].
    """
    squared = squareform(pdist(x, "sqeuclidean"))
    c = np.median(squared[np.triu_indices(len(x), 1)]) or 1.0
    base = 1.0 + squared / c
    # grad_x k = -(x - y) base^(-3/2) / c = -grad_y k
    own = np.sum(x * scores, axis=1)
    cross = own[:, None] - scores @ x.T  # s(x).(x - y)
    slopes = (cross + cross.T) * base**-1.5 / c
    trace = x.shape[1] * base**-1.5 / c - 3.0 * squared * base**-2.5 / c**2
    u = scores @ scores.T * base**-0.5 + slopes + trace
    diagonal = np.trace(u)
    return float((np.sum(u) - diagonal) / (len(x) - 1) / diagonal)
