"""Splits whose training examples are inliers only."""

import numpy as np


def hold_out(is_anomaly: np.ndarray, train_share: float, seed: int) -> list[np.ndarray]:
    """Returns the places of training examples and of test examples, in random order.

    A share of the inliers, rounded down, is for training. All other examples are for testing.
    """
    rng = np.random.default_rng(seed % 2**31)
    inliers = rng.permutation(np.flatnonzero(~is_anomaly))
    train, rest = np.split(inliers, [int(train_share * len(inliers))])
    return [train, rng.permutation(np.concatenate([rest, np.flatnonzero(is_anomaly)]))]
