"""R-hat and effective draws, of chains for which they are known."""

import numpy as np
import pytest

from tf_shortrun.kernels import diagnostics

RNG = np.random.default_rng(0)


def autoregressive(rho, num_states=4000, num_chains=4):
    """Returns chains x_t = rho x_{t-1} + sqrt(1 - rho^2) xi that start in equilibrium."""
    states = [RNG.normal(size=num_chains)]
    for _ in range(num_states - 1):
        states.append(rho * states[-1] + np.sqrt(1 - rho**2) * RNG.normal(size=num_chains))
    return np.array(states, "f4")


def test_rhat_by_hand():
    """Two chains of four states, halves of two: within .5, between the variance of four means."""
    states = np.array([[0, 1], [1, 2], [0, 1], [1, 2]], "f4")
    between = np.var([0.5, 0.5, 1.5, 1.5], ddof=1)
    by_hand = 5 / 4 * (1 / 2 + between / 0.5) - 1 / 8
    assert diagnostics.rhat(states) == pytest.approx(by_hand, rel=1e-5)


def test_chains_that_do_not_move():
    still = np.repeat(RNG.normal(size=(1, 5, 2)), 8, axis=0).astype("f4")
    assert np.all(diagnostics.rhat(still) == 1000)
    assert np.all(np.isfinite(diagnostics.effective_draws(still)))


def test_chains_that_never_met_and_chains_that_did():
    mixed = RNG.normal(size=(500, 4, 2)).astype("f4")
    apart = mixed + np.array([0, 1, 2, 3], "f4")[None, :, None]
    assert np.all(diagnostics.rhat(mixed) < 1.01)
    assert np.all(diagnostics.rhat(apart) > 1.5)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_effective_draws_of_an_autoregression(rho):
    states = autoregressive(rho)
    expected = states.size * (1 - rho) / (1 + rho)
    assert diagnostics.effective_draws(states) == pytest.approx(expected, rel=0.15)
