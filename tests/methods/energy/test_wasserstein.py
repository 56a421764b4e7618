"""Tests of WassersteinGan: penalty, updates by hand, and the results of training."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from energy_toy import (
    Quadratic,
    linear_energy,
    linear_generator,
    point_generator,
    sgd,
    values,
)
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import HasEnergy, Learner, Scores
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.energy.adversarial import deal
from tf_shortrun.methods.energy.energy import Energy
from tf_shortrun.methods.energy.wasserstein import WassersteinGan, interpolate
from tf_shortrun.networks.perceptron import perceptron

SEED = noise.make_seed(0)
W = np.array([0.5, -1.0], np.float32)  # norm above 1; half of it has a norm below 1
POINT = np.array([0.3, 0.6], np.float32)
X = np.random.default_rng(0).normal(size=[12, 2]).astype(np.float32) / 3
BATCH = {"image": tf.constant(X)}
SNAPSHOTS = Path(__file__).parents[2] / "snapshots"


def make(critic=None, generator=None, rates=(0.1, 0.1), updates=1, penalty=0.0):
    critic, generator = critic or linear_energy(W), generator or point_generator(POINT)
    return WassersteinGan(critic, generator, *map(sgd, rates), updates, penalty)


# The penalty


@pytest.mark.parametrize("length", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("shape", [(2,), (2, 3, 2)])
def test_the_penalty_of_a_linear_critic_is_two_sided(length, shape):
    """The penalty is (||w|| - 1)^2 at any point, over all components of an observation."""
    w = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    w *= length / np.linalg.norm(w)
    critic, generator = linear_energy(w, shape), point_generator(np.zeros(w.size), shape)
    learner = make(critic, generator, penalty=2.0)
    metrics = learner.train_step({"image": tf.zeros([4, *shape])}, SEED)
    assert float(metrics["penalty"]) == pytest.approx((length - 1) ** 2, abs=1e-6)
    moved = w.ravel() * (1 - 0.1 * 2 * 2 * (length - 1) / length)
    np.testing.assert_allclose(values(critic)[0][:, 0], moved, atol=1e-6)


@pytest.mark.parametrize("s", [0.5, 1.0, 3.0])
def test_the_penalty_is_between_data_and_samples(s):
    """E = a ||x||^2 / 2 at a = 1, samples at 0, data at distance s: mean of (a u s - 1)^2."""
    critic, num = Energy(Quadratic(np.eye(2)), (2,)), 20000
    learner = make(critic, point_generator([0.0, 0.0]), (0.1, 0.0), penalty=1.0)
    data = tf.fill([num, 2], tf.sqrt(s**2 / 2))
    metrics = learner.train_step({"image": data}, SEED)
    u = (np.arange(num) + 0.5) / num
    (mean, error), (down, down_error) = map(moments, ((u * s - 1) ** 2, 2 * u * s * (u * s - 1)))
    assert float(metrics["penalty"]) == pytest.approx(mean, abs=error)
    a = float(values(critic)[0])
    assert a == pytest.approx(1 - 0.1 * (s**2 / 2 + down), abs=0.1 * down_error)
    # Power of the check: with one u per component the norms are larger.
    u = np.random.default_rng(0).random([num, 2])
    assert abs(np.mean((s * np.sqrt(np.mean(u**2, 1)) - 1) ** 2) - mean) > 4 * error


def moments(x):
    """Returns the mean, and four standard errors of it."""
    return np.mean(x), 4 * np.std(x) / np.sqrt(len(x))


def test_a_constant_critic_has_a_finite_update():
    """||w|| has no derivative at 0; the penalty is 1 and adds nothing to the update of w."""
    critic = linear_energy(0 * W)
    metrics = make(critic, rates=(0.1, 0.0), penalty=10.0).train_step(BATCH, SEED)
    assert float(metrics["penalty"]) == pytest.approx(1)
    np.testing.assert_allclose(values(critic)[0][:, 0], 0.1 * (POINT - X.mean(0)), atol=1e-6)


def test_interpolation_gives_one_point_of_the_segment_for_each_example():
    x, y = tf.random.stateless_normal([2, 4000, 2, 3, 1], SEED)
    between = interpolate(x, y, SEED)
    places = np.reshape((between - y) / (x - y), [4000, 6])
    clear = np.abs(np.reshape(x - y, [4000, 6])) > 0.1
    u = np.median(places, axis=1)
    np.testing.assert_allclose(places[clear], np.repeat(u, 6)[clear.ravel()], atol=1e-4)
    assert u.min() > -1e-4 and u.max() < 1 + 1e-4
    assert np.mean(u) == pytest.approx(1 / 2, abs=4 / np.sqrt(12 * 4000))
    assert np.mean(u**2) == pytest.approx(1 / 3, abs=4 * 0.3 / np.sqrt(4000))
    assert len(np.unique(np.round(u, 6))) > 3900


# One step of training


def after_updates(w, parts, penalty):
    """Returns w after updates w <- w - rate (mean x - c + 2 lambda (||w|| - 1) w / ||w||)."""
    for part in parts:
        length = np.linalg.norm(w)
        w = w - 0.1 * (part.mean(0) - POINT + 2 * penalty * (length - 1) * w / length)
    return w


@pytest.mark.parametrize("start", [W, W / 2])
def test_updates_equal_values_by_hand_each_on_every_nth_example(start):
    """The critic is updated first, then the generator with the updated critic."""
    critic, generator = linear_energy(start), point_generator(POINT)
    metrics = make(critic, generator, updates=3, penalty=0.7).train_step(BATCH, SEED)
    before_last = after_updates(start, [X[0::3], X[1::3]], 0.7)
    w = after_updates(before_last, [X[2::3]], 0.7)
    np.testing.assert_allclose(values(critic)[0][:, 0], w, atol=1e-6)
    np.testing.assert_allclose(values(generator)[1], POINT - 0.1 * w, atol=1e-6)
    distance = before_last @ (POINT - X[2::3].mean(0))
    assert float(metrics["distance"]) == pytest.approx(distance, abs=1e-6)
    length = np.linalg.norm(before_last)
    assert float(metrics["penalty"]) == pytest.approx((length - 1) ** 2, rel=1e-3)
    assert float(metrics["loss"]) == pytest.approx(w @ POINT, abs=1e-6)


def test_each_update_changes_only_its_own_network():
    for rates in ((0.1, 0.0), (0.0, 0.1)):
        models = linear_energy(W), linear_generator(np.eye(2))
        before = [values(model)[0] for model in models]
        make(*models, rates, updates=2, penalty=1.0).train_step(BATCH, SEED)
        same = [np.array_equal(values(m)[0], w) for m, w in zip(models, before, strict=True)]
        assert same == [rate == 0 for rate in rates]


def test_each_optimizer_makes_its_number_of_steps():
    learner = make(updates=4)
    learner.train_step(BATCH, SEED)
    steps = {name: int(v.iterations) for name, v in learner.state.items() if "optimizer" in name}
    assert steps == {"critic_optimizer": 4, "generator_optimizer": 1}
    assert set(learner.state) == {"critic", "generator", *steps}


def test_every_critic_update_has_its_own_samples():
    """With E = w.x and G(z) = z each update has another distance."""
    learner = make(generator=linear_generator(np.eye(2)), rates=(0.0, 0.0), updates=3)
    update, seen = learner._update_critic, []
    learner._update_critic = lambda *a: seen.append(update(*a)) or seen[-1]
    learner.train_step({"image": tf.zeros([12, 2])}, SEED)
    assert len({float(metrics["distance"]) for metrics in seen}) == 3


def test_deal_gives_every_nth_example_to_a_part():
    parts = deal(tf.range(6), 3)
    np.testing.assert_array_equal(parts, [[0, 3], [1, 4], [2, 5]])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: make(updates=0),
        lambda: make(penalty=-0.1),
        lambda: make(penalty=float("nan")),
        lambda: make(generator=point_generator([0.0, 0.0, 0.0], (3,))),
        lambda: make(updates=5).train_step(BATCH, SEED),
    ],
)
def test_errors_are_one_line(wrong):
    with pytest.raises(InputError) as error:
        wrong()
    assert "\n" not in str(error.value)
    assert any(f": {mend} " in str(error.value) for mend in ("choose", "give"))


# Capabilities of the learner


def test_the_learner_scores_but_has_no_energy():
    learner = make(Energy(Quadratic(np.eye(2)), (2,)), point_generator([3.0, -0.2]))
    np.testing.assert_allclose(learner.score(BATCH, SEED), np.sum(X**2, 1) / 2, rtol=1e-5)
    np.testing.assert_allclose(learner.sample(5, SEED), np.tile([1.0, -0.2], [5, 1]), atol=1e-6)
    assert can(learner, Learner) and can(learner, Scores)
    assert not can(learner, HasEnergy)
    wide = make(generator=linear_generator(0.1 * np.eye(2))).sample(4000, SEED)
    assert np.std(wide) == pytest.approx(0.1, rel=0.05)


# Results of training


def adam(rate):
    return keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.9)


def learn(critic, generator, optimizers, num_steps, data, penalty):
    """Trains and returns the metrics of the last step."""
    learner = WassersteinGan(critic, generator, *optimizers, critic_updates=2, penalty=penalty)
    batch = {"image": tf.constant(data, tf.float32)}
    step = tf.function(lambda k: learner.train_step(batch, noise.fold(SEED, k)))
    return [step(k) for k in tf.range(num_steps)][-1]


def test_a_critic_finds_the_distance_and_is_low_for_data():
    """Point and data have distance d: |w| = 1 + d / (2 lambda), and `distance` is d |w|."""
    critic, data = linear_energy([-0.1], (1,)), [[0.3], [0.3], [0.7], [0.7]]
    still = point_generator([-0.3], (1,))
    metrics = learn(critic, still, [sgd(0.1), sgd(0.0)], 25, data, penalty=2.0)
    assert float(values(critic)[0][0, 0]) == pytest.approx(-1.2, abs=1e-3)
    assert float(metrics["distance"]) == pytest.approx(0.8 * 1.2, abs=1e-3)


def test_a_point_generator_moves_to_the_centre_of_the_data():
    """From distance 1.2 it moves to the centre of a ring, which is nearest to all data."""
    keras.utils.set_random_seed(0)
    critic = Energy(perceptron([32], 1, "tanh"), (2,))
    angle, generator = np.pi / 8 * np.arange(16), point_generator([-0.5, 0.5])
    data = [0.3, -0.4] + 0.2 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    learn(critic, generator, [adam(0.01), adam(0.004)], 500, data, penalty=0.1)
    assert np.linalg.norm(values(generator)[1] - [0.3, -0.4]) < 0.15  # it oscillates a little


# The pinned experiments


def settings(pin):
    lines = (SNAPSHOTS / f"{pin}.gin").read_text().splitlines()
    return {line for line in lines if " = " in line}


@pytest.mark.parametrize("pin", sorted(path.stem for path in SNAPSHOTS.glob("wgan_gp_*.gin")))
def test_the_baseline_differs_only_in_the_learner(pin):
    """Networks, examples, steps and optimizers are the same; an energy has more evals."""
    own = settings(pin) - settings(pin.replace("wgan_gp", "max_entropy"))
    names = {line.split(" = ")[0] for line in own if not line.startswith("wasserstein.")}
    judged = {f"experiment.Experiment.{name}" for name in ("evals", "pictures")}
    assert names - judged == {
        f"experiment.Experiment.{name}" for name in ("make_learner", "method")
    }
