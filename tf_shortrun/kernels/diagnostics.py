"""How far chains have mixed.

R-hat compares all states with those of halves of chains: it is 1 if every half has seen the whole
distribution, and larger if a chain still depends on its start. Of m halves with n states each, with
variances of mean W, and means of variance V,

    R = (m + 1) / m ((n - 1) / n + V / W) - (n - 1) / (m n)

Effective draws are as many independent ones as would know the mean as well.

References: S. P. Brooks, A. Gelman, General methods for monitoring convergence of iterative
simulations, 1998. A. Gelman et al., Bayesian data analysis, third edition 2013, chapter 11.
"""

import numpy as np
import tensorflow_probability as tfp

FEWEST = 4  # states of a chain
_MOST = 1000.0


def rhat(states: np.ndarray) -> np.ndarray:
    """Returns the split R-hat of N states of each of C chains: [N, C, ...] -> [...].

    It is 1000 if it is more, as it is where no chain moves.
    """
    found = tfp.mcmc.potential_scale_reduction(states, split_chains=True).numpy()
    return np.minimum(np.nan_to_num(found, nan=_MOST, posinf=_MOST), _MOST)


def effective_draws(states: np.ndarray) -> np.ndarray:
    """Returns how many independent draws all states of all chains are worth: [N, C, ...] -> [...].

    Autocorrelations are summed until a pair of them is negative (Geyer's rule). It is 1 where no
    chain moves.
    """
    draws = tfp.mcmc.effective_sample_size(
        states, filter_beyond_positive_pairs=True, cross_chain_dims=1
    )
    return np.nan_to_num(draws.numpy(), nan=1.0)
