"""Annealed chains along the path of a prior, and their importance weights."""

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tf_shortrun.core.shapes import Seed
from tf_shortrun.kernels import gibbs
from tf_shortrun.kernels.unroll import unroll


class AnnealedChains(NamedTuple):
    """The weights of the chains of one direction, nats.

    log_weights: log w at the end, [C].   log_means: log 1/C sum_c w_c after each step, [K].
    """

    log_weights: np.ndarray
    log_means: np.ndarray


def anneal(path, start: tf.Tensor, controls: tf.Tensor, seed: Seed) -> AnnealedChains:
    """Runs Gibbs sweeps from `start` [C, m] along the path, one step for each control."""
    sweep = gibbs.make_step(path.hidden_logits, path.visible_logits, path.log_unnormalised)
    log_num = math.log(start.shape[0])

    def step(state, betas, seed):
        state, _ = sweep(state, betas, seed)
        return state, tf.reduce_logsumexp(state.log_weight) - log_num

    state, log_means = unroll(step, gibbs.init(start), controls, seed)
    return AnnealedChains(state.log_weight, log_means)


def deviation(log_weights: np.ndarray) -> float:
    """Returns 3 standard deviations of log mean w, to first order: 3 std w / (mean w sqrt C)."""
    w = np.exp(log_weights - log_weights.max())
    return float(3.0 * w.std(ddof=1) / w.mean() / math.sqrt(len(w)))
