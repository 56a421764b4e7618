"""Tests of GridLikelihood and EnergyLandscape on known distributions.

The learners here are plain classes with only an energy.
"""

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.data import synthetic
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.methods.energy.landscape import EnergyLandscape, GridLikelihood

SEED = noise.make_seed(0)


class Mixture:
    """E = -log p + constant for equal isotropic Gaussians, in data set coordinates."""

    def __init__(self, distribution, constant=0.0, inverse_temperature=1.0):
        self.distribution, self.constant, self.beta = distribution, constant, inverse_temperature

    def energy(self, observations):
        offsets = observations[:, None] - tf.constant(self.distribution.centers, tf.float32)
        squares = tf.reduce_sum(offsets**2, -1) / (2 * self.distribution.std**2)
        return self.constant - self.beta * tf.reduce_logsumexp(-squares, axis=-1)


class Flat:
    def energy(self, observations):
        return 0.0 * observations[:, 0] + 3.0


class Tilted:
    """E = 5 (1 - x_2) + (1 + x_1): least at the upper left, 12 nats more at the lower right."""

    def energy(self, observations):
        return 5 * (1 - observations[:, 1]) + (1 + observations[:, 0])


class Silent:
    """A learner without an energy."""


def nll(learner, dataset, side=1000):
    return GridLikelihood(side)(learner, dataset, SEED)["grid_nll"]


@pytest.fixture(scope="module")
def grid_data():
    return synthetic.gaussians_grid(1, 4000, seed=1)


@pytest.fixture(scope="module")
def plane():
    """Returns data of two test points."""
    split = Split(np.float32([[0.2, -0.4], [0.9, 0.1]]), np.full(2, -1))
    return Dataset("plane", split, split, unit=2.0)


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


# The likelihood


@pytest.mark.parametrize(
    ("make", "published"),
    [(synthetic.gaussians_grid, -2.014), (synthetic.gaussians_ring, -3.600)],
)
def test_grid_nll_of_the_true_energy_is_the_entropy(make, published):
    """The entropy is log(modes) + 1 + log(2 pi std^2), in published units."""
    dataset = make(1, 4000, seed=1)
    found = nll(Mixture(dataset.distribution, constant=7.0), dataset)
    exact = -np.mean(dataset.distribution.log_prob(dataset.test.images)) + 2 * np.log(dataset.unit)
    assert found == pytest.approx(exact, abs=1e-3)
    assert found == pytest.approx(published, abs=4 / np.sqrt(4000))  # var log p = 1


def test_grid_nll_of_a_constant_energy_is_the_log_area(plane):
    for side in (3, 150):
        assert nll(Flat(), plane, side) == pytest.approx(np.log(16), abs=1e-6)


def test_grid_nll_of_a_linear_energy_equals_its_value_by_hand(plane):
    """Z is the product of integrals of exp(-5 u) and exp(-u) over [0, 2], times unit^2."""
    z = (1 - np.exp(-10)) / 5 * (1 - np.exp(-2)) * plane.unit**2
    energies = [5 * 1.4 + 1.2, 5 * 0.9 + 1.9]
    assert nll(Tilted(), plane, 500) == pytest.approx(np.mean(energies) + np.log(z), abs=1e-3)


def test_a_constant_added_to_the_energy_changes_nothing(grid_data):
    one, other = (nll(Mixture(grid_data.distribution, c), grid_data, 400) for c in (0.0, -40.0))
    assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("inverse_temperature", [0.7, 1.4])
def test_a_wrong_temperature_has_a_larger_grid_nll(grid_data, inverse_temperature):
    right = nll(Mixture(grid_data.distribution), grid_data, 500)
    assert (
        nll(Mixture(grid_data.distribution, 0.0, inverse_temperature), grid_data, 500)
        > right + 0.03
    )


def test_cells_wider_than_a_mode_give_a_wrong_likelihood(grid_data):
    """Modes have a standard deviation of 0.0088, cells a side of 0.08."""
    assert abs(nll(Mixture(grid_data.distribution), grid_data, 24) + 2.014) > 0.2


def test_grid_nll_has_a_protocol(plane):
    assert GridLikelihood(10)(Flat(), plane, SEED).keys() == GridLikelihood.metrics.keys()
    (sentence,) = GridLikelihood(10).protocol(plane).values()
    assert "2 test points" in sentence and "10 x 10" in sentence and "[-2, 2]^2" in sentence


# The picture


def test_the_picture_has_the_orientation_of_the_plane(plane):
    (picture,) = EnergyLandscape(50)(Tilted(), plane, SEED).values()
    assert picture.shape == (50, 50, 3) and picture.dtype == np.uint8
    assert (picture[..., 0] == picture[..., 2]).all()
    grey = picture[..., 0].astype(int)
    assert grey[0, 0] == grey.max() == 255  # upper left, E smallest
    assert grey[-1, -1] == 0  # lower right, more than 10 nats above
    # A cell is 0.04 wide: one cell right adds 0.04 nats of 10, one cell down five times that.
    assert grey[0, -1] == round(255 * (1 - 49 * 0.04 / 10))
    assert grey[25, 0] == round(255 * (1 - 25 * 0.2 / 10))


def test_the_picture_covers_the_square(plane):
    class Peak:
        def energy(self, observations):
            return 1e4 * tf.reduce_sum((observations - [0.5, -0.25]) ** 2, axis=-1)

    grey = EnergyLandscape(80)(Peak(), plane, SEED)["energy"][..., 0]
    rows, columns = (set(places.tolist()) for places in np.nonzero(grey))
    assert columns == {59, 60}  # next to 80 (0.5 + 1) / 2
    assert rows == {49, 50}  # next to 80 (0.25 + 1) / 2, from the top


# Errors


@pytest.mark.parametrize("kind", [GridLikelihood, EnergyLandscape])
def test_errors_are_one_line(kind, plane):
    with pytest.raises(InputError) as error:
        kind(1)
    assert f"{kind.__name__}.side is 1" in one_line(error)
    with pytest.raises(InputError) as error:
        kind(10)(Silent(), plane, SEED)
    assert "Silent is not a learner of p(x) = exp(-E(x)) / Z" in one_line(error)
    split = Split(np.zeros([3, 4, 4, 1], np.uint8), np.full(3, -1))
    with pytest.raises(InputError) as error:
        kind(10)(Flat(), Dataset("tiny", split, split), SEED)
    assert "points in the plane" in one_line(error)
