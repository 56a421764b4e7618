"""A restricted Boltzmann machine that is small enough to enumerate, and a decoder.

The machine has 10 visible and 7 hidden units, the decoder 6 binary pixels. The exact values use
float64 NumPy and no code of the package.
"""

import itertools

import numpy as np
from scipy.special import expit, log_expit, logsumexp

from tf_shortrun.methods.binary.rbm import RestrictedBoltzmann

_rng = np.random.default_rng(0)
COUPLINGS = _rng.normal(0, 1, (10, 7))
VISIBLE_BIAS = _rng.normal(0, 0.5, 10)
HIDDEN_BIAS = _rng.normal(0, 0.5, 7)

_rng = np.random.default_rng(1)
DECODER = _rng.normal(0, 1.5, (10, 6))
DECODER_BIAS = _rng.normal(0, 0.3, 6)
X = (_rng.random(6) < 0.5).astype(float)
LOGITS = _rng.normal(0, 0.7, 10)


def states(num: int) -> np.ndarray:
    """Returns all states {0, 1}^num: [2^num, num]."""
    return np.array(list(itertools.product([0.0, 1.0], repeat=num)))


def index(z) -> np.ndarray:
    """Returns the row of each z [B, num] in `states(num)`."""
    return np.asarray(z).astype(int) @ (2 ** np.arange(np.shape(z)[1])[::-1])


STATES = states(10)


def log_unnormalised(couplings=COUPLINGS) -> np.ndarray:
    """Returns -F of all states."""
    return STATES @ VISIBLE_BIAS + np.logaddexp(0, STATES @ couplings + HIDDEN_BIAS).sum(axis=1)


LOG_PARTITION = logsumexp(log_unnormalised())
PROBABILITY = np.exp(log_unnormalised() - LOG_PARTITION)


def log_likelihood() -> np.ndarray:
    """Returns log p(x | z) of all states."""
    return log_expit((2 * X - 1) * (STATES @ DECODER + DECODER_BIAS)).sum(axis=1)


def log_posterior(logits=LOGITS) -> np.ndarray:
    """Returns log q(z) of all states."""
    return log_expit((2 * STATES - 1) * logits).sum(axis=1)


def bound(couplings=COUPLINGS, logits=LOGITS) -> float:
    """Returns E_q[log p(x | z) - F - log q] - log Z."""
    log_q, log_f = log_posterior(logits), log_unnormalised(couplings)
    return np.exp(log_q) @ (log_likelihood() + log_f - log_q) - logsumexp(log_f)


def bound_gradient() -> np.ndarray:
    """Returns d bound / dl = E_q[f (z - s(l))]: [10]."""
    log_q = log_posterior()
    f = log_likelihood() + log_unnormalised() - log_q
    return (np.exp(log_q) * f) @ (STATES - expit(LOGITS))


def make_model() -> RestrictedBoltzmann:
    """Returns the machine as a model of the package."""
    model = RestrictedBoltzmann(10, 7)
    model.couplings.assign(COUPLINGS)
    model.visible_bias.assign(VISIBLE_BIAS)
    model.hidden_bias.assign(HIDDEN_BIAS)
    return model
