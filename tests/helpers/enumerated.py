"""Gibbs sweeps by enumeration: the matrix of a sweep, and a test of draws."""

import numpy as np
import tensorflow as tf
from scipy.special import expit
from scipy.stats import chi2

import binary_toy as toy


def bernoulli(logits, units):
    """Returns the probabilities of all `units` [U, n] given logits [S, n]: [S, U]."""
    p = expit(np.asarray(logits, float))
    return np.exp(np.log(p) @ units.T + np.log1p(-p) @ (1 - units).T)


def transition(path, beta):
    """Returns the transition matrix of a sweep, by enumeration of z, h, z': [2^m, 2^m]."""
    sizes = path.model.num_visible, path.model.num_hidden
    z, h = (tf.constant(toy.states(n), path.base.dtype) for n in sizes)
    to_hidden = bernoulli(path.hidden_logits(z, beta), h.numpy())
    return to_hidden @ bernoulli(path.visible_logits(h, beta), z.numpy())


def surprise(draws, distribution):
    """Returns chi-square divided by its critical value for probability 1 in 10,000.

    The value is at most 1 for draws from the distribution.
    """
    counts, expected = (
        np.bincount(toy.index(draws), minlength=len(distribution)),
        len(draws) * distribution,
    )
    rare = expected < max(8, 1.01 * expected.min())  # at least one state is rare
    counts = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum())
    return np.sum((counts - expected) ** 2 / expected) / chi2.ppf(1 - 1e-4, len(counts) - 1)
