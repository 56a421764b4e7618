"""Tests of statistics and pictures of binary codes, with exact values of the toy."""

import math

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure
from scipy.special import logit, logsumexp

import binary_toy as toy
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.evals.pictures import plots
from tf_shortrun.kernels import gibbs
from tf_shortrun.methods.binary.annealed_chains import AnnealedChains
from tf_shortrun.methods.binary.codes import (
    CodeStatistics,
    CodeUsage,
    GibbsStrips,
)
from tf_shortrun.methods.binary.partition import Annealing
from tf_shortrun.methods.binary.partition_trace import PartitionTrace, trace
from tf_shortrun.methods.binary.rbm import GeometricPath

SEED = noise.make_seed(8)
SHARES = toy.PROBABILITY @ toy.STATES


class Learner:
    """A learner with exact draws of the toy prior; codes are independent bits."""

    def __init__(self, shares=SHARES):
        self.model, self.shares = toy.make_model(), np.asarray(shares)

    image_shape = (32, 40, 1)

    def prior_path(self):
        return GeometricPath(self.model, tf.zeros([10]))

    def sample_latents(self, num, seed):
        distribution = tf.math.log(tf.constant(toy.PROBABILITY[None]))
        rows = tf.random.stateless_categorical(distribution, num, seed)[0]
        return [tf.gather(tf.constant(toy.STATES, tf.float32), rows)]

    def infer(self, batch, seed):
        with np.errstate(divide="ignore"):
            logits = tf.constant(logit(self.shares)[None], tf.float32)
        return [gibbs.draw(tf.repeat(logits, tf.shape(batch["image"])[0], axis=0), seed)]

    def decode(self, latents):
        """Returns images of ten stripes of four columns, white where the bit is set."""
        stripes = tf.repeat(2.0 * latents[0] - 1.0, 4, axis=1)
        return tf.tile(stripes[:, None, :, None], [1, 32, 1, 1])

    def unnormalised_log_weights(self, batch, seed):
        raise NotImplementedError


def dataset(num=4000):
    split = Split(np.zeros([num, 32, 40, 1], np.uint8), np.full(num, -1, np.int32))
    return Dataset("stripes", split, split)


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


# Metrics


def test_codes_with_the_distribution_of_the_prior_have_no_shift():
    num = 4000
    metrics = CodeStatistics(num)(Learner(), dataset(), SEED)
    exact = -np.sum(SHARES * np.log(SHARES) + (1 - SHARES) * np.log1p(-SHARES))
    assert metrics["code_entropy"] == pytest.approx(exact, abs=0.1)
    chance = np.mean(np.sqrt(2 / math.pi * 2 * SHARES * (1 - SHARES) / num))
    assert metrics["prior_shift"] < 2.5 * chance < 2.5 * 0.6 / math.sqrt(num)
    assert metrics["dead_bits"] == 0.0 < SHARES.min() - 0.01


def test_dead_bits_and_a_shifted_prior_equal_values_by_hand():
    """Three bits are constant, one is nearly constant, one is rare."""
    shares = np.array([0, 1, 1, 0.001, 0.03, 0.5, 0.5, 0.5, 0.5, 0.5])
    metrics = CodeStatistics(4000)(Learner(shares), dataset(), SEED)
    assert metrics["dead_bits"] == 0.4
    assert metrics["prior_shift"] == pytest.approx(np.mean(np.abs(shares - SHARES)), abs=0.01)
    assert metrics["code_entropy"] == pytest.approx(5 * math.log(2) + 0.135 + 0.008, abs=0.03)


def test_every_metric_has_a_protocol():
    judge = CodeStatistics(7)
    metrics, protocol = judge(Learner(), dataset(30), SEED), judge.protocol(dataset(30))
    assert metrics.keys() == protocol.keys()
    assert explain(judge, metrics, dataset(30)).keys() == metrics.keys()
    assert all("7 (equally spaced) of 30 test images of stripes" in s for s in protocol.values())
    assert metrics == judge(Learner(), dataset(30), SEED)


# Pictures


@pytest.fixture
def drawn(monkeypatch):
    """Returns a list of the arguments of every plot."""
    arguments = []
    for name in ("draw_bars", "draw_lines"):
        draw = getattr(plots, name)
        monkeypatch.setattr(plots, name, lambda *a, draw=draw: arguments.append(a[1:]) or draw(*a))
    return arguments


def test_bars_by_hand():
    axes = plots.full_axes(640, 120)
    plots.draw_bars(axes, np.array([0.0, 0.5, 1.0]), np.array([0.5, 0.5, 0.0]))
    assert [(bar.get_height(), bar.get_center()[0]) for bar in axes.patches] == [
        *((0.0, 0.0), (0.5, 1.0), (1.0, 2.0))
    ]
    (ticks,) = axes.collections
    assert [line[:, 1].tolist() for line in ticks.get_segments()] == [[0.5] * 2] * 2 + [[0.0] * 2]
    panel = plots.bars(np.array([0.0, 1.0]), np.zeros(2))
    assert panel.shape == (120, 640, 3) and panel.dtype == np.uint8
    assert (panel[60, 160] == 0).all() and (panel[60, 480] == 255).all()


def test_code_usage_shows_the_prior_in_the_order_of_the_codes(drawn):
    shares = np.linspace(0.05, 0.95, 10)
    picture = CodeUsage(4000)(Learner(shares), dataset(), SEED)["code_usage"]
    assert picture.shape == (2 * 120 + 8, 640, 3)
    (above, ticks), (below, same_ticks) = drawn
    tolerance = 4 * 0.5 / math.sqrt(4000)
    np.testing.assert_allclose(above, shares[::-1], atol=tolerance)
    np.testing.assert_allclose(below, SHARES[::-1], atol=tolerance)
    assert np.abs(SHARES - shares).max() > 3 * tolerance < np.abs(SHARES - SHARES[::-1]).max()
    np.testing.assert_array_equal(ticks, same_ticks)
    np.testing.assert_array_equal(ticks, above)


def bits(picture, num, frames):
    """Returns the bits shown in a picture of stripes: [num, frames, 10]."""
    assert picture.shape == (2 + num * 34, 2 + frames * 42, 3)
    return (picture[18::34, :, 0][:, 2:].reshape(num, frames, 42)[:, :, 2:40:4] == 255).astype(int)


def test_strips_start_at_codes_and_end_with_the_prior_distribution():
    shares = (SHARES < 0.5).astype(float)  # rare bits set
    strips = GibbsStrips(400, 3, 20)
    found = bits(strips(Learner(shares), dataset(), SEED)["gibbs_chains"], 400, 3)
    assert (found[:, 0] == shares).all()
    for frame in (1, 2):  # after 10 and 20 sweeps
        error = np.sqrt(SHARES * (1 - SHARES) / 400)
        assert np.abs((found[:, frame].mean(axis=0) - SHARES) / error).max() < 4.5
    assert np.abs(shares - SHARES).min() > 0.5
    assert (found[:, 1] != found[:, 2]).any(axis=1).mean() > 0.5


def test_frames_are_equally_spaced_states_of_one_chain():
    """One strip has every sweep, the other every third sweep of the same chains."""
    fine, coarse = (
        bits(GibbsStrips(6, frames, 6)(Learner(), dataset(), SEED)["gibbs_chains"], 6, frames)
        for frames in (7, 3)
    )
    np.testing.assert_array_equal(fine[:, ::3], coarse)
    assert (fine[:, 1:] != fine[:, :-1]).any(axis=2).mean() > 0.5


def test_the_trace_equals_its_value_by_hand():
    there = AnnealedChains(np.zeros(1), np.array([1.0, 3.0]))
    back = AnnealedChains(np.zeros(1), np.array([-2.5, -3.5]))
    up, down = trace(10.0, there, back)
    np.testing.assert_array_equal(up, [10.0, 11.0, 13.0])
    np.testing.assert_array_equal(down, [10.0, 11.0, 13.5])


def test_the_trace_estimates_log_z_at_every_temperature():
    annealing = Annealing(3000, 20)
    betas = np.linspace(0, 1, 21)
    hidden = toy.STATES @ toy.COUPLINGS + toy.HIDDEN_BIAS
    truth = [
        logsumexp(b * toy.STATES @ toy.VISIBLE_BIAS + np.logaddexp(0, b * hidden).sum(axis=1))
        for b in betas
    ]
    base, there, back = annealing.run(Learner(), SEED)
    for curve in trace(base, there, back):
        assert curve[0] == base == pytest.approx(truth[0])
        np.testing.assert_allclose(curve, truth, atol=0.08)
    assert np.diff(truth).min() > 0.1


def test_curves_have_their_values_and_small_differences_stay_small():
    axes = Figure().subplots()
    plots.draw_lines(axes, {"up": np.array([0.0, 1.5, 3.0]), "down": np.array([2.0, -1.0])}, 0.0)
    assert [line.get_xydata().tolist() for line in axes.lines] == [
        [[0.0, 0.0], [0.5, 1.5], [1.0, 3.0]],
        [[0.0, 2.0], [1.0, -1.0]],
    ]
    assert axes.get_ylim() == pytest.approx((1 - 2.1, 1 + 2.1))
    axes = Figure().subplots()
    plots.draw_lines(axes, {"a": np.full(3, 0.01), "b": np.full(3, -0.01)}, 1.0)
    assert axes.get_ylim() == pytest.approx((-0.525, 0.525))
    assert plots.lines("title", {"a": np.zeros(3)}, 0.0).shape == (240, 640, 3)


class Stuck(Learner):
    """A learner whose prior draws are all its least probable state."""

    def sample_latents(self, num, seed):
        rarest = toy.STATES[np.argmin(toy.PROBABILITY)]
        return [tf.tile(tf.constant(rarest[None], tf.float32), [num, 1])]


def test_curves_of_the_trace_differ_if_the_reverse_direction_is_wrong(drawn):
    spreads = []
    for learner in (Learner(), Stuck()):
        draw = PartitionTrace(Annealing(500, 20))
        picture = draw(learner, dataset(1), SEED)["log_partition"]
        assert picture.shape == (480, 640, 3)
        curves, least_span = drawn[-1]  # the lower plot
        spreads.append(np.ptp(curves["reverse"]))
        assert least_span == 1.0
    assert spreads[0] < 0.05 < 0.2 < spreads[1]


# Errors


@pytest.mark.parametrize(
    "judge",
    [
        CodeStatistics(3),
        CodeUsage(3),
        GibbsStrips(1, 2, 1),
        PartitionTrace(Annealing(2, 1)),
    ],
)
def test_a_learner_without_codes_is_refused_in_one_line(judge):
    with pytest.raises(InputError) as error:
        judge(object(), dataset(3), SEED)
    assert f"leave {type(judge).__name__} out" in one_line(error)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: CodeStatistics(0), "CodeStatistics.num_images is 0"),
        (lambda: CodeUsage(0), "CodeUsage.num_images is 0"),
        (lambda: GibbsStrips(0, 2, 5), "GibbsStrips.num is 0"),
        (lambda: GibbsStrips(1, 1, 5), "GibbsStrips.frames is 1"),
        (lambda: GibbsStrips(1, 2, 0), "GibbsStrips.num_sweeps is 0"),
    ],
)
def test_bad_counts_are_refused_in_one_line(make, word):
    with pytest.raises(InputError) as error:
        make()
    assert word in one_line(error)
