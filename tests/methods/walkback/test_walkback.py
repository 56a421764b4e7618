"""Tests of the learners of transition operators: objective of an update, walks, samples."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import linear_walk
from linear_walk import AT_ONE, Linear, has_mean, has_variance, normal_batch
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Inpaints, Learner, Walks, Weighs
from tf_shortrun.core.errors import InputError
from tf_shortrun.kernels.walk import Heating
from tf_shortrun.methods.walkback.corruption import NoiseTransition
from tf_shortrun.methods.walkback.denoising import Denoising
from tf_shortrun.methods.walkback.networks import dense
from tf_shortrun.methods.walkback.transition import GaussianTransition
from tf_shortrun.methods.walkback.walkback import Walkback

SEED = noise.make_seed(0)
IMAGE = (4, 4, 1)
THREE = Heating(max_temperature=8.0, max_still=0)  # T = 1, 2, 4


def one_pair(before, after):
    return [tf.fill([1, 1, 1], float(s)) for s in (before, after)]


def train(learner, num_steps, batch):
    """Trains for `num_steps` updates, each with new noise."""
    step = tf.function(lambda k: learner.train_step(batch, noise.fold(SEED, k)))
    for k in tf.range(num_steps):
        step(k)


def two_points(num=200):
    """Returns data around -0.5 and 0.5, with standard deviation 0.05."""
    x = tf.where(tf.range(num) % 2 == 0, -0.5, 0.5)[:, None]
    return {"image": x + 0.05 * noise.normal(noise.make_seed(9), [num, 1])}


def two_point_learner(objective):
    keras.utils.set_random_seed(0)
    model = GaussianTransition((1,), dense([32], "tanh", True), 0.05, learn_sigma=False)
    schedule = Heating(max_temperature=100.0, max_still=1)  # 0.5^2 / 0.05^2
    return Walkback(model, schedule, keras.optimizers.Adam(1e-2), 0, objective=objective)


# The objective of an update


@pytest.mark.parametrize(("objective", "slope"), [("walkback", 0.0), ("released", 0.5)])
def test_walkback_evaluates_the_operator_at_the_next_state(objective, slope):
    learner = linear_walk.learner(0.5, 1.0, objective=objective)
    learner._update(*one_pair(1, 2), tf.ones([1, 1]), tf.ones([1, 1]))
    assert float(learner.model.a) - 0.5 == pytest.approx(slope, abs=1e-6)


def mean_log_prob(learner, data):
    """Returns the walk and the objective of an update, over `THREE` temperatures."""
    temperatures = tf.constant([1.0, 2.0, 4.0])[:, None] * tf.ones([len(data)])
    states = learner.walker.away(data, temperatures, noise.stream(SEED, "walk"))
    return states, tf.reduce_mean(learner.walker.log_back(states[:-1], states[1:], temperatures))


def test_no_gradient_flows_through_the_walk():
    a, v, batch = 0.6, 0.5, normal_batch(500)
    learner = linear_walk.learner(a, v, THREE)
    with tf.GradientTape() as tape:
        states, objective = mean_log_prob(learner, batch["image"])
    through = float(tape.gradient(objective, learner.model.a))
    before, after = states[:-1].numpy(), states[1:].numpy()
    temperature = np.array([1.0, 2.0, 4.0])[:, None, None]
    as_data = np.mean((before - a * after) * after / (temperature * v))
    loss = learner.train_step(batch, SEED)["loss"]
    assert float(loss) == pytest.approx(-float(objective), rel=1e-5)
    assert float(learner.model.a) - a == pytest.approx(as_data, abs=1e-5)
    assert abs(through - as_data) > 0.05


class Waiting(Heating):
    """A schedule in which every walk waits twice, then takes one step."""

    def heating(self, num_still):
        return tf.constant([[0.0], [0.0], [1.0]]) * tf.ones_like(num_still)


def test_waiting_steps_are_not_in_the_mean():
    learner = linear_walk.learner(0.5, 1.0, Waiting(2.0, max_still=2), rate=0.0)
    data = {"image": tf.ones([1, 1])}
    temperatures = learner.schedule.heating(tf.zeros([1]))
    end = learner.walker.away(data["image"], temperatures, noise.stream(SEED, "walk"))[-1, 0, 0]
    expected = -linear_walk.log_normal(1.0 - 0.5 * float(end), 1.0)
    assert float(learner.train_step(data, SEED)["loss"]) == pytest.approx(expected, rel=1e-5)


def test_walkback_learns_the_reversible_chain_and_released_learns_the_identity():
    """a = cov(s_0, s_1) / var(s_1) at rest, so a^2 = 1 - v / m; log p(s_0 | s_0) has a = 1."""
    batch = normal_batch(2_000)
    reversible = np.sqrt(1 - 0.75 / np.mean(np.square(batch["image"])))
    for objective, rest in (("walkback", reversible), ("released", 1.0)):
        learner = linear_walk.learner(0.8, 0.75, objective=objective, rate=0.1)
        train(learner, 300, batch)
        assert float(learner.model.a) == pytest.approx(rest, abs=0.03)


def test_walkback_has_a_better_bound_and_samples_than_released():
    bounds, hits = {}, {}
    for objective in ("walkback", "released"):
        learner = two_point_learner(objective)
        train(learner, 400, two_points())
        bounds[objective] = np.mean(learner.log_weights(two_points(2_000), SEED))
        hits[objective] = np.mean(np.abs(np.abs(learner.sample(1_000, SEED)) - 0.5) < 0.15)
    truth = np.log(0.5) - 0.5 * (np.log(2 * np.pi * 0.05**2) + 1)
    assert truth > bounds["walkback"] > bounds["released"] + 0.7
    assert hits["walkback"] > 0.8 and hits["released"] < 0.5


# Walks in training


class Seen(Heating):
    """A schedule that records the requested numbers of steps at T = 1."""

    def heating(self, num_still):
        object.__setattr__(self, "asked", num_still)
        return super().heating(num_still)


def test_every_example_draws_its_own_number_of_steps_at_temperature_one():
    learner = linear_walk.learner(0.5, 1.0, Seen(2.0, max_still=3), rate=0.0)
    learner.train_step(normal_batch(4_000), SEED)
    values, counts = np.unique(learner.schedule.asked, return_counts=True)
    assert values.tolist() == [0, 1, 2, 3]
    assert np.abs(counts - 1_000).max() < 5 * np.sqrt(1_000)


def test_without_learning_both_kinds_of_updates_have_the_same_mean_loss():
    schedule = Heating(max_temperature=8.0, max_still=2)

    def losses(updates, variance=0.5):
        learner = linear_walk.learner(0.6, variance, schedule, rate=0.0, updates=updates)
        step = tf.function(lambda k: learner.train_step(normal_batch(200), noise.fold(SEED, k)))
        return np.array([step(k)["loss"] for k in tf.range(100)])

    online, accumulated = losses("online"), losses("accumulated")
    difference = np.std(accumulated) / 10
    assert abs(online.mean() - accumulated.mean()) < 4 * np.sqrt(2) * difference
    assert abs(losses("online", 0.6).mean() - accumulated.mean()) > 8 * difference


@pytest.mark.parametrize(("updates", "num"), [("accumulated", 1), ("online", 5)])
def test_a_walk_makes_one_update_or_one_per_step(updates, num):
    schedule = Heating(max_temperature=8.0, max_still=2)
    learner = linear_walk.learner(0.6, 0.5, schedule, updates=updates)
    learner.train_step(normal_batch(10), SEED)
    assert int(learner.optimizer.iterations) == num


def test_online_walks_use_the_updated_operator():
    """A step at T = 1, then one at T = 2 from the end of the first."""
    batch, two = normal_batch(50), Heating(max_temperature=4.0, max_still=0)
    learner, copy = (linear_walk.learner(0.6, 0.5, two, updates="online") for _ in range(2))
    learner.train_step(batch, SEED)
    state = batch["image"]
    for k, temperature in enumerate([1.0, 2.0]):
        seed = noise.fold(noise.stream(SEED, "walk"), k)
        pair = copy.walker.away(state, tf.fill([1, 50], temperature), seed)
        a, (before, after) = float(copy.model.a), pair.numpy()
        copy.model.a.assign_add(np.mean((before - a * after) * after / (temperature * 0.5)) / 2)
        state = pair[1]
    assert float(learner.model.a) == pytest.approx(float(copy.model.a), abs=1e-5)


@pytest.mark.parametrize("updates", ["accumulated", "online"])
def test_running_moments_are_those_of_the_ends_of_walks(updates):
    learner = linear_walk.learner(0.6, 0.5, THREE, rate=0.0, updates=updates)
    learner.train_step(normal_batch(20_000), SEED)
    expected = 1.0
    for temperature in (1.0, 2.0, 4.0):
        expected = 0.36 * expected + 0.5 * temperature
    np.testing.assert_allclose(learner.walker.moments.variance, [expected], rtol=0.04)


# Samples


def image_learner(**kwargs):
    schedule = Heating(max_temperature=8.0, max_still=1)
    return linear_walk.learner(0.6, 0.3, schedule, IMAGE, extra_steps=2, **kwargs)


def test_the_learner_has_its_capabilities_and_shapes():
    learner = image_learner()
    assert all(can(learner, p) for p in (Learner, Walks, Inpaints, Weighs))
    batch = normal_batch(3, state_shape=IMAGE)
    assert learner.image_shape == IMAGE
    assert learner.sample(5, SEED).shape == (5, *IMAGE)
    assert learner.walk(batch["image"], 7, SEED).shape == (3, *IMAGE)
    assert learner.log_weights(batch, SEED).shape == (3,)
    assert {"model", "optimizer", "count", "mean", "square"} == set(learner.state)


def test_heating_starts_at_the_data_and_cooling_ends_at_the_samples():
    learner, batch = image_learner(num_still=1), normal_batch(6, state_shape=IMAGE)
    heated = learner.heat(batch, SEED)
    assert heated.shape == (1 + 4, 6, *IMAGE)
    np.testing.assert_array_equal(heated[0], batch["image"])
    cooled = learner.cool(6, SEED).numpy()
    assert cooled.shape == (1 + 3 + 2, 6, *IMAGE)
    assert np.abs(cooled[-1]).max() > 1
    np.testing.assert_allclose(np.clip(cooled[-1], -1, 1), learner.sample(6, SEED), atol=1e-6)


def test_samples_are_in_range_and_depend_on_the_seed():
    learner = image_learner()
    first, again = learner.sample(50, SEED).numpy(), learner.sample(50, SEED).numpy()
    other = learner.sample(50, noise.make_seed(1)).numpy()
    assert np.abs(first).max() == 1.0
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.2


def test_extra_steps_have_temperature_one():
    learner = linear_walk.learner(0.6, 0.01, THREE, extra_steps=20)
    expected = 0.01 / (1 - 0.36)
    assert has_variance(learner.sample(20_000, SEED), expected)
    assert has_variance(learner.walk(tf.zeros([20_000, 1]), 20, SEED), expected)
    hot = linear_walk.learner(0.6, 0.01, THREE)
    assert not has_variance(hot.sample(20_000, SEED), expected)


def smooth_learner(schedule=THREE, extra_steps=10):
    """Returns a learner whose next state is the mean of the image, so that pixels interact."""

    def make_network(state_shape, num_outputs):
        assert num_outputs == 1
        return lambda inputs: 0.0 * inputs[0] + tf.reduce_mean(inputs[0], [1, 2, 3], keepdims=True)

    model = GaussianTransition(IMAGE, make_network, 0.05, alpha=0.0, learn_sigma=False)
    return Walkback(model, schedule, keras.optimizers.SGD(1.0), 0, extra_steps)


def test_inpainting_keeps_observed_pixels_and_completes_the_image():
    mask = tf.broadcast_to(tf.range(4)[None, :, None, None] < 3, [8, *IMAGE])
    dark, light = ({"image": tf.fill([8, *IMAGE], value), "mask": mask} for value in (-0.75, 0.75))
    learner = smooth_learner()
    for batch in (dark, light):
        completed = learner.inpaint(batch, SEED).numpy()
        np.testing.assert_array_equal(completed[:, :3], batch["image"][:, :3])
        hidden = completed[:, 3]
        assert np.abs(hidden - batch["image"][:, 3]).max() < 0.3
        assert not np.any(hidden == batch["image"][:, 3])


def test_inpainting_uses_observed_pixels_from_the_first_step():
    mask = tf.broadcast_to(tf.range(4)[None, :, None, None] < 3, [8, *IMAGE])
    dark, light = (
        smooth_learner(AT_ONE, 0).inpaint({"image": tf.fill([8, *IMAGE], x), "mask": mask}, SEED)
        for x in (-0.2, 0.2)
    )
    np.testing.assert_allclose((light - dark)[:, 3], 0.75 * 0.4, atol=1e-5)


def test_inpainting_does_not_depend_on_hidden_pixels():
    mask = tf.broadcast_to(tf.range(4)[None, :, None, None] < 2, [3, *IMAGE])
    image = normal_batch(3, 0.1, state_shape=IMAGE)["image"]
    spoiled = tf.where(mask, image, 0.9)
    ours, theirs = (
        smooth_learner().inpaint({"image": x, "mask": mask}, SEED) for x in (image, spoiled)
    )
    np.testing.assert_array_equal(ours, theirs)


def data_walked_from(learner, monkeypatch):
    """Returns the starts of the walks of `train_step`, `log_weights` and `heat`."""
    seen, away = [], learner.walker.away

    def spy(data, *args):
        seen.append(data.numpy())
        return away(data, *args)

    monkeypatch.setattr(learner.walker, "away", spy)
    batch = {"image": tf.zeros([20_000, 1])}
    learner.train_step(batch, SEED)
    learner.log_weights(batch, SEED)
    learner.heat(batch, SEED)
    return [x.ravel() for x in seen]


def test_level_noise_is_added_in_training_and_log_weights(monkeypatch):
    width = 2 / 255
    learner = linear_walk.learner(0.5, 1.0, level_width=width)
    trained, weighed, heated = data_walked_from(learner, monkeypatch)
    assert not heated.any()
    for x in (trained, weighed):
        assert np.abs(x).max() <= width / 2
        assert has_mean(x, 0.0) and has_variance(x, width**2 / 12)


def test_no_level_noise_is_added_by_default(monkeypatch):
    assert not any(x.any() for x in data_walked_from(linear_walk.learner(0.5, 1.0), monkeypatch))


def test_num_still_outside_the_schedule_is_refused():
    for num_still in (-1, 1):
        with pytest.raises(InputError, match="^num_still is -?1: choose 0 to max_still, 0$"):
            linear_walk.learner(0.5, 1.0, AT_ONE, num_still=num_still)


# Denoising


def denoising(a, variance, num_steps=20, rate=0.1):
    return Denoising(
        Linear(a, variance), NoiseTransition((1,), 1.0), keras.optimizers.SGD(rate), num_steps
    )


def test_denoising_by_the_exact_posterior_leaves_the_data_distribution_invariant():
    """x ~ N(0, 4), x~ ~ N(x, 1): x | x~ has mean 0.8 x~ and variance 0.8."""
    data = normal_batch(20_000, 4.0)["image"]
    for variance, right in ((0.8, True), (0.9, False)):
        walked = denoising(0.8, variance).walk(data, 20, SEED).numpy()
        assert has_mean(walked[:, 0], 0.0) and has_variance(walked, 4.0) == right
    assert not has_variance(denoising(0.75, 0.8).walk(data, 20, SEED), 4.0)


def test_denoising_learns_the_posterior_mean():
    learner = denoising(0.3, 0.8)
    train(learner, 200, normal_batch(2_000, 4.0))
    assert float(learner.model.a) == pytest.approx(0.8, abs=0.02)


def test_the_denoising_learner_has_its_capabilities_and_shapes():
    learner, batch = denoising(0.5, 0.1, num_steps=3), normal_batch(6)
    assert can(learner, Learner) and can(learner, Walks)
    assert not can(learner, Weighs) and not can(learner, Inpaints)
    assert learner.image_shape == (1,)
    heated, cooled = learner.heat(batch, SEED), learner.cool(6, SEED)
    assert heated.shape == (2, 6, 1) and cooled.shape == (1 + 3, 6, 1)
    np.testing.assert_array_equal(heated[0], batch["image"])
    samples = learner.sample(6, SEED)
    np.testing.assert_allclose(np.clip(cooled[-1], -1, 1), samples, atol=1e-6)
    np.testing.assert_array_equal(samples, learner.sample(6, SEED))
    assert not np.array_equal(samples, learner.sample(6, noise.make_seed(1)))


def test_denoising_starts_from_noise_with_the_moments_of_the_data():
    learner = denoising(0.5, 0.1)
    learner.train_step({"image": tf.constant([[1.0], [5.0]])}, SEED)
    start = learner.cool(20_000, SEED)[0, :, 0].numpy()
    assert has_mean(start, 3.0) and has_variance(start - 3.0, 4.0)


def test_denoising_without_steps_is_refused():
    with pytest.raises(InputError, match="^num_steps is 0: choose at least one$"):
        denoising(0.5, 0.1, num_steps=0)
