"""The classifier two-sample test: can a linear classifier tell samples from data?

References: D. Lopez-Paz, M. Oquab, Revisiting classifier two-sample tests, ICLR 2017.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MOST = 2000  # examples of each kind
_ITERATIONS = 200


def accuracy(real: np.ndarray, fake: np.ndarray) -> float:
    """Returns the share of examples, half of them samples, that a logistic regression tells right.

    It learns from every second example, at most `MOST` of each kind equally spaced, and is judged
    by the others: .5 for equal distributions, with a standard deviation of .5 / sqrt(judged).

    Args:
      real, fake: features [N, F] and [M, F], of at least two examples each.
    """
    num = min(len(real), len(fake), MOST) // 2 * 2
    x = np.stack([_spread(real, num), _spread(fake, num)], axis=1).reshape(2 * num, -1)
    is_fake, learned = np.arange(2 * num) % 2, np.arange(2 * num) // 2 % 2 == 0
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_ITERATIONS))
    model.fit(x[learned], is_fake[learned])
    return float(model.score(x[~learned], is_fake[~learned]))


def _spread(features: np.ndarray, num: int) -> np.ndarray:
    return features[np.linspace(0, len(features) - 1, num).astype(np.int64)]
