"""The classifier two-sample test, on normals of which the best accuracy is known."""

import numpy as np
import pytest
from scipy.stats import norm

from tf_shortrun.evals.features.two_sample import MOST, accuracy

RNG = np.random.default_rng(0)


def test_samples_of_the_same_distribution_cannot_be_told():
    found = [accuracy(*RNG.normal(size=(2, 400, 5))) for _ in range(20)]
    # 400 are judged each time.
    assert abs(np.mean(found) - 0.5) < 4 * 0.5 / np.sqrt(20 * 400)


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_a_shift_is_told_as_well_as_can_be(shift):
    """The best between N(0, 1) and N(shift, 1) is right with probability cdf(shift / 2)."""
    real, fake = RNG.normal(size=(2, 3 * MOST, 2))
    found = accuracy(real, fake + [shift, 0.0])
    assert found == pytest.approx(norm.cdf(shift / 2), abs=4 * 0.5 / np.sqrt(MOST))


def test_by_hand():
    # Learned: 0 and 10; judged: 1 and 9, where the boundary at 5 is right.
    assert accuracy(np.array([[0.0], [1.0]]), np.array([[10.0], [9.0]])) == 1.0
    # Judged: 9 as real, which is wrong, and 8 as fake.
    assert accuracy(np.array([[0.0], [9.0]]), np.array([[10.0], [8.0]])) == 0.5


def test_scales_of_features_do_not_matter():
    real, fake = RNG.normal(size=(2, 200, 3))
    fake += 0.5
    scale = np.array([1e-6, 1.0, 1e6])
    assert accuracy(real, fake) == accuracy(real * scale, fake * scale)
