"""Evals and pictures of points in the plane: exact values, exact samples, and faulty samples.

The learners here are plain classes that have only methods of the contract.
"""

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.data import synthetic
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.plane_distribution import PlaneDistribution
from tf_shortrun.evals.energy_distance import energy_distance
from tf_shortrun.evals.pictures import grids
from tf_shortrun.evals.pictures.scatter import SamplesInPlane, scatter
from tf_shortrun.evals.plane import PlaneSamples
from tf_shortrun.methods.walkback.walk_strips import WalkStrips

SEED = noise.make_seed(3)
TOYS = [synthetic.spiral, synthetic.swiss_roll, synthetic.mixture, synthetic.gaussians_grid]


class Says:
    """A learner whose samples are given."""

    def __init__(self, points):
        self.points = tf.constant(points, tf.float32)

    def sample(self, num, seed):
        return self.points[:num]


class Marches(Says):
    """A learner whose steps add `stride`; heating and cooling take four steps."""

    stride = (0.1, 0.0)

    def walk(self, state, num_steps, seed):
        return state + num_steps * tf.constant(self.stride)

    def heat(self, batch, seed):
        return tf.stack([batch["image"] + k * 0.25 for k in range(5)])

    def cool(self, num, seed):
        return tf.stack([self.points[:num] + k * 0.25 for k in range(4, -1, -1)])


def truth(make, num=4000):
    """Returns exact samples, which differ from the points of all test splits here."""
    return make(num, 1, seed=99).train.images


def square(num_test=100, unit=2.0):
    """Returns data of four modes at {-0.5, 0.5}^2, std 0.05; 1 is two published units."""
    centers = synthetic.square_centers([-0.5, 0.5])
    split = Split(np.tile(centers, [num_test // 4, 1]).astype(np.float32), np.full(num_test, -1))
    return Dataset("square", split, split, unit, PlaneDistribution(centers, 0.05, np.arange(4)))


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


# Energy distance


def test_the_energy_distance_has_hand_computed_values():
    x, y = np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0], [0.0, 4.0]])
    # E|X - Y| = (0 + 4 + 5 + 3) / 4, E|X - X'| = 5, E|Y - Y'| = 4
    assert energy_distance(x, y) == pytest.approx(2 * 3 - 5 - 4, abs=1e-12)
    # E|X - Y| = 1, E|X - X'| = 0, E|Y - Y'| = (2 + 2 + 0) / 3 without the diagonal.
    x, y = np.zeros([2, 2]), np.array([[1.0, 0], [-1, 0], [1, 0]])
    assert energy_distance(x, y) == pytest.approx(2 - 4 / 3, abs=1e-12)


def test_the_energy_distance_is_unbiased_and_independent_of_blocks():
    rng = np.random.default_rng(0)
    draws = [energy_distance(*rng.normal(size=[2, 5, 2])) for _ in range(400)]
    error = np.std(draws) / 20
    # With the diagonal, E|X - X'| would be a fifth too small and the distance too large.
    assert abs(np.mean(draws)) < 4 * error < 0.3 * 2 * np.sqrt(np.pi) / 5
    x, y = rng.normal(size=[2, 1203, 2])
    far = np.linalg.norm(x[:, None] - y, axis=-1).mean()
    within = sum(np.linalg.norm(z[:, None] - z, axis=-1).sum() / (1203 * 1202) for z in (x, y))
    assert energy_distance(x, y) == pytest.approx(2 * far - within, abs=1e-12)


# Scores


@pytest.mark.parametrize("make", TOYS)
def test_exact_samples_have_the_best_scores(make):
    num, data = 4000, make(10, 1000, seed=0)
    metrics = PlaneSamples(num, 4 * data.distribution.std * data.unit)(
        Says(truth(make, num)), data, SEED
    )
    pieces = len(data.distribution.shares)
    # P(|e| > 4 std) = exp(-8) for a mode, and less for a curve.
    assert metrics["on_manifold"] > 1 - 3e-3
    # 2 num KL is approximately chi-squared with pieces - 1 degrees of freedom.
    assert abs(2 * num * metrics["mode_kl"] - (pieces - 1)) < 4 * np.sqrt(2 * (pieces - 1))
    # 1 - coverage = sum_i |h_i - p_i| / 2; h_i - p_i is about normal with variance p_i / num.
    lost = 0.5 * pieces * np.sqrt(2 / (np.pi * pieces * num))
    assert 0.4 * lost < 1 - metrics["coverage"] < 1.6 * lost
    assert abs(metrics["energy_distance"]) < 2e-3
    assert metrics.get("modes", pieces) == pieces
    assert ("modes" in metrics) == data.distribution.is_mixture


def test_the_true_log_likelihood_is_in_published_units():
    data = synthetic.spiral(1, 4000, seed=0)
    metrics = PlaneSamples(10, 0.05)(Says(truth(synthetic.spiral, 10)), data, SEED)
    # 4000 points, std 0.78; the wrong sign of the unit would change the value by 0.2.
    assert metrics["log_likelihood/true"] == pytest.approx(1.778, abs=0.05)
    # Test points at the modes: -log 4 - log 2 pi std^2, published std 0.1.
    metrics = PlaneSamples(4, 0.05)(Says(square().test.images), square(), SEED)
    exact = -np.log(4) - np.log(2 * np.pi * 0.1**2)
    assert metrics["log_likelihood/true"] == pytest.approx(exact, abs=1e-6)


def test_mass_in_one_piece_has_the_expected_scores():
    data = synthetic.spiral(1, 500, seed=0)
    here = np.tile(data.distribution.centers[1900:1901], [200, 1])
    metrics = PlaneSamples(200, 0.05)(Says(here), data, SEED)
    assert metrics["on_manifold"] == 1
    assert metrics["coverage"] == pytest.approx(1 / 20)
    assert metrics["mode_kl"] == pytest.approx(np.log(20))
    assert metrics["energy_distance"] > 0.3
    assert "modes" not in metrics


def test_scores_of_unequal_shares_are_as_computed_by_hand():
    # Of 100 samples, 60, 36 and 4 are at three of four modes; 3 of the last 4 are too far away.
    centers = square().distribution.centers
    points = np.repeat(centers[:3], [60, 36, 4], axis=0)
    points[-3:] += 0.04
    metrics = PlaneSamples(100, 0.1)(Says(points), square(), SEED)
    assert metrics["on_manifold"] == pytest.approx(0.97)  # 0.04 sqrt 2 is 0.113 published units
    assert metrics["coverage"] == pytest.approx(0.25 + 0.25 + 0.04)
    assert metrics["modes"] == 2  # one near sample is less than a tenth of 25
    expected = sum(h * np.log(h / 0.25) for h in (0.6, 0.36, 0.04))
    assert metrics["mode_kl"] == pytest.approx(expected)
    assert PlaneSamples(100, 0.12)(Says(points), square(), SEED)["on_manifold"] == 1
    # Three samples are more than a tenth of 25.
    points[-3:-1] -= 0.04
    assert PlaneSamples(100, 0.1)(Says(points), square(), SEED)["modes"] == 3


def test_the_energy_distance_is_in_published_units():
    points = truth(synthetic.mixture, 50)
    ours, published = (
        PlaneSamples(50, 0.1)(Says(points), square(unit=unit), SEED)["energy_distance"]
        for unit in (1.0, 2.0)
    )
    assert published == pytest.approx(2 * ours) and ours > 0.01


def test_samples_that_are_not_finite_are_in_no_piece():
    points = np.tile(square().distribution.centers, [25, 1])
    whole = PlaneSamples(100, 0.1)(Says(points), square(), SEED)
    points[:4, 0] = [np.nan, np.inf, -np.inf, np.nan]
    metrics = PlaneSamples(100, 0.1)(Says(points), square(), SEED)
    assert metrics["on_manifold"] == metrics["coverage"] == pytest.approx(0.96)
    assert metrics["mode_kl"] == pytest.approx(0, abs=1e-12) and metrics["modes"] == 4
    assert metrics["energy_distance"] == pytest.approx(whole["energy_distance"], abs=0.01)
    points[:99] = np.nan
    with pytest.raises(InputError) as error:
        PlaneSamples(100, 0.1)(Says(points), square(), SEED)
    assert "1 finite samples" in one_line(error)


def test_chains_continue_from_their_state():
    learner = Marches(np.tile(square().distribution.centers, [25, 1]))
    metrics = PlaneSamples(100, 0.25, (1, 2, 10))(learner, square(), SEED)
    # A step is 0.2 published units; ten steps lead from the left modes to the right modes.
    assert [metrics[f"on_manifold{n}"] for n in ("", "@+1", "@+2", "@+10")] == [1, 1, 0, 0.5]
    assert metrics["coverage@+2"] == 1 and metrics["coverage@+10"] == pytest.approx(0.5)
    assert metrics["mode_kl@+10"] == pytest.approx(np.log(2))
    assert metrics["modes@+10"] == 2
    assert metrics["energy_distance@+10"] > metrics["energy_distance@+1"] > 0


def test_walks_have_the_expected_steps_and_seeds():
    calls = []

    class Notes(Marches):
        def walk(self, state, num_steps, seed):
            calls.append((num_steps, tf.get_static_value(seed)))
            return state + 1e-3 * noise.normal(seed, state.shape)

    learner = Notes(np.tile(square().distribution.centers, [25, 1]))
    metrics = [PlaneSamples(100, 0.1, (3, 10))(learner, square(), SEED) for _ in range(2)]
    assert [num_steps for num_steps, _ in calls] == [3, 7] * 2
    assert metrics[0] == metrics[1]
    other = PlaneSamples(100, 0.1, (3, 10))(learner, square(), noise.make_seed(4))
    assert other["energy_distance@+3"] != metrics[0]["energy_distance@+3"]


@pytest.mark.parametrize("make", [synthetic.spiral, synthetic.mixture])
def test_every_score_has_a_sentence(make):
    data, evaluate = make(10, 100, seed=0), PlaneSamples(100, 0.05, (5, 50))
    metrics = evaluate(Marches(truth(make, 100)), data, SEED)
    protocol = evaluate.protocol(data)
    assert set(protocol) == set(metrics)
    assert explain(evaluate, metrics, data).keys() == metrics.keys()
    assert all(text.endswith(".") and "\n" not in text for text in protocol.values())


def test_errors_of_scores_are_one_line():
    data, learner = square(), Says(np.zeros([10, 2]))
    unknown = Dataset("mystery", data.train, data.test)
    with pytest.raises(InputError) as error:
        PlaneSamples(10, 0.1)(learner, unknown, SEED)
    assert "mystery has no known distribution" in one_line(error)
    with pytest.raises(InputError) as error:
        PlaneSamples(10, 0.1, (5,))(learner, data, SEED)
    assert "Says is not a learner that leaves the data by a walk" in one_line(error)
    assert "leave PlaneSamples.extra_steps out" in one_line(error)
    for arguments, word in [
        ((1, 0.1), "num_samples 1"),
        ((10, 0.0), "radius 0.0"),
        ((10, 0.1, (0, 5)), "(0, 5)"),
        ((10, 0.1, (5, 5)), "(5, 5)"),
        ((10, 0.1, (10, 5)), "(10, 5)"),
    ]:
        with pytest.raises(InputError) as error:
            PlaneSamples(*arguments)
        assert word in one_line(error)


# Pictures


def ink(picture):
    """Returns where a picture is blue: samples are blue, data and background are not."""
    return picture[..., 2].astype(int) - picture[..., 0] > 60


def test_a_scatter_shows_points_at_their_places():
    data = np.array([[-0.8, -0.8]])
    picture = scatter(np.array([[0.55, 0.825]]), data, 320)
    assert picture.dtype == np.uint8 and picture.shape == (320, 320, 3)
    row, column = (np.mean(place) for place in np.nonzero(ink(picture)))
    # A pixel is 2.2 / 320 wide; rows count downwards, the second coordinate upwards.
    assert abs(column - 1.65 / 2.2 * 320) < 1 and abs(row - 0.275 / 2.2 * 320) < 1
    grey = (picture[..., 0] == picture[..., 2]) & (picture[..., 0] < 220)
    row, column = (np.mean(place) for place in np.nonzero(grey))
    assert abs(column - 0.3 / 2.2 * 320) < 1 and abs(row - 1.9 / 2.2 * 320) < 1
    assert np.all(picture[100:200, 100:200] == 255)
    # Samples are drawn over the data.
    assert ink(scatter(data, data, 320)).sum() == ink(picture).sum()


def test_a_scatter_shows_far_points_at_the_border_and_omits_nan():
    empty, data = np.zeros([0, 2]), np.zeros([1, 2])
    far = scatter(np.array([[9.0, 0.0], [0.0, -np.inf]]), data, 320)
    assert ink(far)[158:162, 318:].any() and ink(far)[318:, 158:162].any()
    nowhere = scatter(np.array([[np.nan, 0.0]]), data, 320)
    np.testing.assert_array_equal(nowhere, scatter(empty, data, 320))
    with pytest.raises(InputError) as error:
        scatter(np.zeros([3, 8, 8, 1]), data, 320)
    assert "(8, 8, 1)" in one_line(error)


def test_samples_in_plane_shows_samples_over_test_points():
    points, data = truth(synthetic.spiral, 50), synthetic.spiral(1, 100, seed=0)
    picture = SamplesInPlane(50)(Says(points), data, SEED)["samples"]
    np.testing.assert_array_equal(picture, scatter(points, data.test.images, 320))
    with pytest.raises(InputError) as error:
        SamplesInPlane(0)
    assert "SamplesInPlane.num is 0" in one_line(error)


def test_strips_of_points_have_the_expected_panels():
    data, points = square(), np.array([[-0.5, 0.5], [0.0, 0.0]])
    picture = WalkStrips(2, 3)(Marches(points), data, SEED)["walks"]
    batch = grids.pick_batch(data, 2)["image"].numpy()
    # The first, the third and the last of the five states of a walk.
    rows = [[x + shift for shift in (0, 0.5, 1)] for x in (batch, points)]
    rows[1].reverse()
    band = picture[162 + 2 : -164]
    assert picture.shape == (2 * 164 + 8, 2 + 3 * 162, 3) and np.all(band == 128)
    for top, row in zip((2, 164 + 8 + 2), rows, strict=True):
        for left, state in zip((2, 164, 326), row, strict=True):
            panel = picture[top : top + 160, left : left + 160]
            np.testing.assert_array_equal(panel, scatter(state, data.test.images, 160))


def test_strips_of_images_have_the_expected_levels():
    class Fades(Says):
        def heat(self, batch, seed):
            return tf.stack([batch["image"] * (1 - k / 10) for k in range(11)])

        def cool(self, num, seed):
            levels = tf.linspace(0.0, 1.0, 6)[:, None] * tf.linspace(-1.0, 1.0, num)
            return levels[..., None, None, None] * tf.ones([32, 32, 1])

        def walk(self, state, num_steps, seed):
            return state

    images = np.array([0, 100, 255], np.uint8).reshape(3, 1, 1, 1) * np.ones([32, 32, 1], np.uint8)
    split = Split(images, np.zeros(3, np.int32))
    picture = WalkStrips(3, 6)(Fades(np.zeros([1])), Dataset("grey", split, split), SEED)["walks"]
    height = 2 + 3 * 34
    blocks = [block[2:, 2:, 0][::34, ::34] for block in (picture[:height], picture[-height:])]
    left = np.linspace(1, 0, 6) * (images[:, :1, 0, 0] / 127.5 - 1)
    came = np.linspace(0, 1, 6) * np.array([[-1.0], [0.0], [1.0]])
    for block, values in zip(blocks, (left, came), strict=True):
        assert np.abs(block - (values + 1) * 127.5).max() <= 0.51


def test_errors_of_strips_are_one_line():
    for arguments, word in (((0, 2), "num is 0"), ((1, 1), "frames is 1")):
        with pytest.raises(InputError) as error:
            WalkStrips(*arguments)
        assert word in one_line(error)
    with pytest.raises(InputError) as error:
        WalkStrips(2, 2)(Says(np.zeros([2, 2])), square(), SEED)
    assert "Says is not a learner that leaves the data by a walk" in one_line(error)
