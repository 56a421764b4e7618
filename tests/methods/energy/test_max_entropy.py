"""Tests of MaxEntropy: bounds, updates by hand, and the results of training."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import integrate

from energy_toy import (
    Bowl,
    Quadratic,
    W,
    affine,
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
from tf_shortrun.methods.energy.contrast import Difference, Ranking
from tf_shortrun.methods.energy.energy import Energy, Generator, Statistic
from tf_shortrun.methods.energy.information import Channel, Learned, infonce, jsd, mine
from tf_shortrun.methods.energy.max_entropy import MaxEntropy
from tf_shortrun.methods.energy.refinement import Refinement
from tf_shortrun.networks.fourier import FourierFeatures
from tf_shortrun.networks.perceptron import perceptron
from tf_shortrun.training.steps import compile_step

SEED = noise.make_seed(0)
BOUNDS = [jsd, infonce, mine]
X = np.random.default_rng(0).normal(size=[12, 2]).astype(np.float32) / 3
BATCH = {"image": tf.constant(X)}


# Networks with known parameters


def zero_statistic(shape=(2,), latent_width=2):
    flat = np.prod(shape) + latent_width
    return Statistic(keras.layers.Flatten(), affine(1, np.zeros([flat, 1])), shape, latent_width)


def make(energy=None, generator=None, rates=(0.1, 0.1), updates=1, penalty=0.0, **options):
    energy, generator = energy or linear_energy(), generator or point_generator([0.3, 0.6])
    statistic = zero_statistic(generator.state_shape, generator.latent_width)
    told = options.pop("information", None) or Learned(statistic, sgd(0.0), jsd)
    weight = options.pop("entropy_weight", 1.0)
    names = ("penalty_reduction", "refinement")
    chosen = {name: options.pop(name) for name in names if name in options}
    contrast = options.pop("contrast", None) or Difference(penalty, **chosen)
    optimizers = [sgd(rate) for rate in rates]
    return MaxEntropy(energy, generator, told, contrast, *optimizers, weight, updates, **options)


# Bounds of the information


def test_a_constant_statistic_gives_no_information():
    joint, product = tf.zeros([8]), tf.zeros([3, 8])
    assert float(jsd(joint, product)) == pytest.approx(-2 * np.log(2))
    assert float(infonce(joint, product)) == pytest.approx(0, abs=1e-6)
    assert float(mine(joint, product)) == pytest.approx(0, abs=1e-6)


def test_jsd_is_minus_twice_the_cross_entropy_of_the_released_code():
    rng = np.random.default_rng(1)
    joint, product = rng.normal(0, 2, [2, 64]).astype(np.float32)
    pairs, labels = np.concatenate([joint, product]), np.repeat([1.0, 0.0], 64)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)(labels, pairs)
    assert float(jsd(joint, product[None])) == pytest.approx(-2 * float(entropy), abs=1e-6)


def test_infonce_equals_its_value_by_hand_and_its_maximum_is_log_of_m_plus_one():
    joint, product = tf.math.log([3.0]), tf.math.log([[1.0], [4.0]])
    # T = log 3, negatives log 1 and log 4: log 3 - log((3 + 1 + 4) / 3)
    assert float(infonce(joint, product)) == pytest.approx(np.log(9 / 8))
    assert float(infonce(tf.fill([5], 100.0), tf.zeros([7, 5]))) == pytest.approx(np.log(8))


def test_mine_equals_its_value_by_hand_even_if_the_exponential_overflows():
    joint, product = tf.constant([1.0, 3.0]), tf.constant([[0.0, np.log(3.0)]])
    assert float(mine(joint, product)) == pytest.approx(2 - np.log(2))
    assert float(mine(joint + 500, product + 500)) == pytest.approx(2 - np.log(2), abs=1e-4)


RHO = 0.8
TRUE = -0.5 * np.log(1 - RHO**2)


def log_ratio(x, z):
    """Returns log p(x, z) / p(x) p(z), Gaussian with correlation RHO: the optimal T."""
    square = (RHO**2 * (x**2 + z**2) - 2 * RHO * x * z) / (2 * (1 - RHO**2))
    return TRUE - square


def statistics(num_negatives, num=4000, power=1.0):
    rng = np.random.default_rng(2)
    z, e = rng.normal(size=[2, num])
    x = RHO * z + np.sqrt(1 - RHO**2) * e
    others = rng.normal(size=[num_negatives, num])
    return [tf.constant(power * log_ratio(x, y), tf.float32) for y in (z, others)]


def test_infonce_increases_to_the_information_with_the_number_of_negatives():
    bounds = [float(infonce(*statistics(m))) for m in (1, 4, 16, 512)]
    assert bounds == sorted(bounds)
    assert bounds[0] < 0.7 * TRUE and bounds[2] < TRUE
    error = np.std(statistics(1)[0]) / np.sqrt(4000)
    assert bounds[3] == pytest.approx(TRUE, abs=4 * error)


def test_mine_equals_the_information_at_the_optimal_statistic():
    error = np.std(statistics(1)[0]) / np.sqrt(4000)
    assert float(mine(*statistics(50))) == pytest.approx(TRUE, abs=4 * error)


def test_jsd_equals_the_divergence_at_the_optimal_statistic():
    """By quadrature, 2 JSD(joint || product) - 2 log 2 = -E_joint sp(-T) - E_product sp(T)."""

    def integrand(x, z):
        product, t = np.exp(-(x**2 + z**2) / 2) / (2 * np.pi), log_ratio(x, z)
        return -product * (np.exp(t) * np.logaddexp(0, -t) + np.logaddexp(0, t))

    ticks = np.linspace(-6, 6, 601)
    grid = integrand(*np.meshgrid(ticks, ticks))
    truth = integrate.trapezoid(integrate.trapezoid(grid, ticks), ticks)
    assert -2 * np.log(2) < truth < 0
    assert float(jsd(*statistics(20))) == pytest.approx(truth, abs=0.03)


@pytest.mark.parametrize("bound", BOUNDS)
def test_any_other_statistic_gives_a_smaller_bound(bound):
    best = float(bound(*statistics(200)))
    for power in (0.5, 1.5):
        assert float(bound(*statistics(200, power=power))) < best - 0.01


# Channel


MATRIX = np.array([[0.5, 0.2], [0.0, 0.3]], np.float32)


def channel_estimate(channel, generator, num):
    z = generator.sample_latents(num, noise.fold(SEED, 1))
    x = channel.observe(generator, z, noise.fold(SEED, 2))
    return channel.estimate(generator, z, x, noise.fold(SEED, 3))


def test_the_channel_estimates_the_entropy_of_a_linear_generator():
    """I = log det(I + A A^T / sigma^2) / 2: the entropy of x minus that of the noise."""
    for sigma in (0.1, 0.3):
        truth = 0.5 * np.linalg.slogdet(np.eye(2) + MATRIX @ MATRIX.T / sigma**2)[1]
        estimate = channel_estimate(Channel(sigma, 2000), linear_generator(MATRIX), 2000)
        assert float(estimate) == pytest.approx(truth, abs=0.1)


def test_the_channel_adds_its_noise_and_its_maximum_is_log_of_m_plus_one():
    generator, channel = point_generator([0.3, 0.6]), Channel(0.2, 7)
    x = channel.observe(generator, tf.zeros([20000, 2]), SEED)
    assert np.std(x - [0.3, 0.6]) == pytest.approx(0.2, rel=0.02)
    assert float(channel_estimate(channel, generator, 50)) == pytest.approx(0, abs=1e-5)
    wide = linear_generator(1000 * MATRIX)
    assert float(channel_estimate(channel, wide, 50)) == pytest.approx(np.log(8), abs=0.05)


def test_the_gradient_of_the_channel_widens_the_generator():
    """The gradient is d/da log(1 + a^2 / sigma^2) / 2 = a / (a^2 + sigma^2)."""
    for a in (0.3, 0.6):
        generator = linear_generator([[a]])
        with tf.GradientTape() as tape:
            estimate = channel_estimate(Channel(0.1, 1000), generator, 2000)
        (slope,) = tape.gradient(estimate, generator.trainable_variables)
        assert float(slope[0, 0]) == pytest.approx(a / (a**2 + 0.01), rel=0.1)


def test_the_channel_treats_an_image_as_one_observation():
    flat = linear_generator(np.tile(MATRIX, [2, 1]))
    image = Generator(keras.Sequential([flat.network, keras.layers.Reshape([2, 2, 1])]), 2)
    one, other = (channel_estimate(Channel(0.3, 20), g, 30) for g in (flat, image))
    assert float(one) == pytest.approx(float(other), rel=1e-5)


# A learned statistic


def make_learned(bound, num_negatives=2, rate=0.05):
    keras.utils.set_random_seed(1)
    head = perceptron([8], 1, "tanh")
    statistic = Statistic(perceptron([4], 3, "tanh"), head, (2,), 2)
    return Learned(statistic, sgd(rate), bound, num_negatives), statistic


@pytest.mark.parametrize("bound", BOUNDS)
def test_learning_updates_only_the_statistic_and_increases_the_bound(bound):
    learned, statistic = make_learned(bound)
    generator = linear_generator(MATRIX)
    learned.build(generator)
    z = generator.sample_latents(64, SEED)
    with tf.GradientTape() as tape:
        before = learned.estimate(generator, z, learned.observe(generator, z, SEED), SEED)
    up = tape.gradient(before, statistic.trainable_variables)
    expected = [v + 0.05 * g for v, g in zip(values(statistic), up, strict=True)]
    with tf.GradientTape() as tape:
        x = learned.observe(generator, z, SEED)
        learned.learn(generator, z, x, SEED)
        after = learned.estimate(generator, z, x, SEED)
    for now, then in zip(values(statistic), expected, strict=True):
        np.testing.assert_allclose(now, then, atol=1e-6)
    assert float(after) > float(before)
    np.testing.assert_array_equal(values(generator)[0], MATRIX.T)


def test_learned_gives_every_example_its_own_negatives():
    """With T = sum z, T is 8 at every pair, and about 0 in the mean over negatives."""
    statistic = Statistic(keras.layers.Flatten(), affine(1, [[0.0], [0.0], [1.0], [1.0]]), (2,), 2)
    seen = []
    learned = Learned(statistic, sgd(0.0), lambda *t: seen.extend(t) or 0.0, num_negatives=3)
    learned.estimate(linear_generator(MATRIX), tf.fill([500, 2], 4.0), tf.zeros([500, 2]), SEED)
    joint, product = seen
    np.testing.assert_array_equal(joint, tf.fill([500], 8.0))
    assert product.shape == (3, 500) and len(np.unique(product)) == 1500
    assert abs(np.mean(product)) < 4 * np.sqrt(2 / 1500)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Learned(zero_statistic(), sgd(0.0), jsd, num_negatives=0),
        lambda: Channel(0.0, 5),
        lambda: Channel(float("nan"), 5),
        lambda: Channel(0.1, 0),
        lambda: Energy(perceptron([3], 2, "relu"), (2,)),
        lambda: Generator(perceptron([3], 2, "relu"), 0),
        lambda: FourierFeatures(0, 1.0),
        lambda: FourierFeatures(3, 0.0),
        lambda: Ranking(0, [0.1]),
        lambda: Ranking(5, []),
        lambda: Ranking(5, [0.1, 0.0]),
        lambda: make(updates=0),
        lambda: make(penalty=-0.1),
        lambda: make(penalty=float("nan")),
        lambda: make(penalty_reduction="pixel"),
        lambda: make(generator=point_generator([0.0, 0.0, 0.0], (3,))),
        lambda: make(updates=5).train_step(BATCH, SEED),
    ],
)
def test_errors_are_one_line(wrong):
    with pytest.raises(InputError) as error:
        wrong()
    assert "\n" not in str(error.value)
    assert any(f": {mend} " in str(error.value) for mend in ("choose", "make", "give"))


def test_fourier_features_are_sines_and_cosines_of_the_input():
    layer = FourierFeatures(3, 5.0)
    x = tf.constant([[0.3, -0.7]])
    found = layer(x).numpy()[0]
    angles = np.float32([0.3, -0.7]) @ layer.waves.numpy()
    np.testing.assert_allclose(found, [0.3, -0.7, *np.sin(angles), *np.cos(angles)], atol=1e-6)
    assert not layer.trainable_variables
    assert np.std(FourierFeatures(2000, 5.0)(x)[0, 2:]) == pytest.approx(0.5**0.5, abs=0.02)


# One step of training


def test_the_generator_loss_with_zero_energy_and_statistic_is_the_weighted_constant():
    learner = make(linear_energy(0 * W), entropy_weight=0.5)
    metrics = learner.train_step(BATCH, SEED)
    assert float(metrics["loss"]) == pytest.approx(0.5 * 2 * np.log(2))
    assert float(metrics["information"]) == pytest.approx(-2 * np.log(2))


def test_the_generator_update_decreases_the_energy_and_keeps_the_energy_network():
    """With E = w.x, G = c and T = 0 the update is c <- c - rate w."""
    energy, generator = linear_energy(), point_generator([0.3, 0.6])
    learner = make(energy, generator, rates=(0.0, 0.1), updates=3, penalty=1.0)
    metrics = learner.train_step(BATCH, SEED)
    np.testing.assert_allclose(values(generator)[1], [0.3, 0.6] - 0.1 * W, atol=1e-6)
    assert float(metrics["loss"]) == pytest.approx(np.dot(W, [0.3, 0.6]) + 2 * np.log(2), abs=1e-6)
    learner._update_generator(4, SEED)
    np.testing.assert_array_equal(values(energy)[0][:, 0], W)


def test_the_generator_update_increases_the_information_times_its_weight():
    """With a channel and E = 0, the gradient is that of the exact entropy times the weight."""
    for weight in (1.0, 0.25):
        generator = linear_generator([[0.5]])
        learner = make(
            Energy(affine(1, [[0.0]]), (1,)),
            generator,
            rates=(0.0, 0.01),
            information=Channel(0.1, 1000),
            entropy_weight=weight,
        )
        learner.train_step({"image": tf.zeros([2000, 1])}, SEED)
        moved = float(values(generator)[0][0, 0]) - 0.5
        assert moved == pytest.approx(0.01 * weight * 0.5 / 0.26, rel=0.1)


def after_updates(w, parts, point, rate, penalty):
    """Returns w after updates w <- w - rate (mean x - mean x_neg + 2 lambda w), for E = w.x."""
    for part in parts:
        w = w - rate * (part.mean(0) - point + 2 * penalty * w)
    return w


def test_energy_updates_equal_values_by_hand_each_on_every_nth_example():
    """Negatives are the point after its own update; updates of E do not move it."""
    energy, generator = linear_energy(), point_generator([0.3, 0.6])
    learner = make(energy, generator, updates=3, penalty=0.7)
    metrics = learner.train_step(BATCH, SEED)
    point = np.float32([0.3, 0.6]) - 0.1 * W
    before_last = after_updates(W, [X[0::3], X[1::3]], point, 0.1, 0.7)
    expected = after_updates(before_last, [X[2::3]], point, 0.1, 0.7)
    np.testing.assert_allclose(values(energy)[0][:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(values(generator)[1], point, atol=1e-6)
    assert float(metrics["penalty"]) == pytest.approx(np.sum(before_last**2), rel=1e-5)
    assert float(metrics["energy_data"]) == pytest.approx(np.mean(X[2::3] @ before_last), abs=1e-6)
    assert float(metrics["energy_samples"]) == pytest.approx(point @ before_last, abs=1e-6)
    consecutive = after_updates(W, np.split(X, 3), point, 0.1, 0.7)
    assert np.abs(consecutive - expected).max() > 1e-3  # power of the check


def test_each_optimizer_makes_its_number_of_steps():
    learned = Learned(zero_statistic(), sgd(0.0), jsd)
    learner = make(updates=4, information=learned)
    learner.train_step(BATCH, SEED)
    steps = {name: int(v.iterations) for name, v in learner.state.items() if "optimizer" in name}
    assert steps == {"energy_optimizer": 4, "generator_optimizer": 1, "statistic_optimizer": 1}
    assert set(learner.state) == {"energy", "generator", "statistic", *steps}


@pytest.mark.parametrize(("reduction", "share"), [("sum", 1.0), ("pixel", 1 / 6)])
def test_the_penalty_on_images_is_a_sum_or_a_mean_over_pixels(reduction, share):
    """The penalty is ||w||^2, or ||w||^2 / (H W) with H W = 6 as in the released code."""
    w = np.random.default_rng(3).normal(size=12).astype(np.float32)
    energy = linear_energy(w, (2, 3, 2))
    generator = point_generator(np.zeros(12), (2, 3, 2))
    learner = make(energy, generator, (0.1, 0.0), penalty=2.0, penalty_reduction=reduction)
    metrics = learner.train_step({"image": tf.zeros([4, 2, 3, 2])}, SEED)
    assert float(metrics["penalty"]) == pytest.approx(share * np.sum(w**2), rel=1e-5)
    np.testing.assert_allclose(values(energy)[0][:, 0], w * (1 - 0.1 * 4 * share), rtol=1e-5)


SYMMETRIC = np.array([[2.0, 0.5], [0.5, 1.0]], np.float32)


def test_the_penalty_of_a_quadratic_energy_is_taken_at_data_only():
    """E = a x^T A x / 2 at a = 1: the penalty is mean ||A x||^2, its derivative in a twice that."""
    energy = Energy(Quadratic(SYMMETRIC), (2,))
    learner = make(energy, point_generator([0.0, 0.0]), (0.1, 0.0), penalty=3.0)
    metrics = learner.train_step(BATCH, SEED)
    penalty, data = np.mean(np.sum((X @ SYMMETRIC) ** 2, 1)), np.mean(energy_of(X))
    assert float(metrics["penalty"]) == pytest.approx(penalty, rel=1e-5)
    assert float(values(energy)[0]) == pytest.approx(1 - 0.1 * (data + 3 * 2 * penalty), rel=1e-5)


def energy_of(x):
    return 0.5 * np.einsum("bi,ij,bj->b", x, SYMMETRIC, x)


def test_no_gradient_flows_through_refined_negatives():
    """With x_neg = c + w such a gradient would change the update of w."""
    energy, seen = linear_energy(), []

    def refinement(energy_fn, start, seed):
        seen.append(energy_fn(start))
        return start + energy.trainable_variables[0][:, 0]

    learner = make(energy, rates=(0.1, 0.0), refinement=refinement)
    metrics = learner.train_step(BATCH, SEED)
    point = np.float32([0.3, 0.6])
    expected = after_updates(W, [X], point + W, 0.1, 0.0)
    np.testing.assert_allclose(values(energy)[0][:, 0], expected, atol=1e-6)
    assert float(metrics["energy_samples"]) == pytest.approx(W @ (point + W), abs=1e-6)
    np.testing.assert_allclose(seen[0], [W @ point] * 12, rtol=1e-5)


def test_every_energy_update_has_its_own_negatives():
    seen = []
    learner = make(
        generator=linear_generator(np.eye(2)),
        rates=(0.0, 0.0),
        updates=3,
        refinement=lambda energy, start, seed: seen.extend([start[0, 0], seed[0]]) or start,
    )
    learner.train_step(BATCH, SEED)
    assert len({float(x) for x in seen}) == 6


def two_proposals(energy_weight=W, point=(0.3, 0.6)):
    """Returns a ranking, and its loss and metrics with data at 0 and proposals around a point."""
    energy, generator = linear_energy(energy_weight), point_generator(point)
    ranking = Ranking(2, [0.2, 0.5])
    return ranking, ranking(energy, generator, None, tf.zeros([1, 2]), SEED)


def test_the_density_of_proposals_is_normalised():
    """It equals a sum by hand at one point, and integrates to 1."""
    ranking = Ranking(3, [0.2, 0.5])
    centers = tf.constant([[0.0, 0.0], [0.3, -0.4]])
    terms = [
        np.exp(-d / (2 * s**2)) / (2 * np.pi * s**2)
        for d in (0.01, 0.04 + 0.16)
        for s in (0.2, 0.5)
    ]
    found = ranking.log_density(tf.constant([[0.1, 0.0]]), centers)
    assert float(found[0]) == pytest.approx(np.log(np.mean(terms)), rel=1e-5)
    ticks = np.linspace(-4, 4, 161, dtype=np.float32)
    plane = np.stack(np.meshgrid(ticks, ticks), -1).reshape(-1, 2)
    mass = np.sum(np.exp(ranking.log_density(plane, centers))) * 0.05**2
    assert mass == pytest.approx(1.0, abs=1e-3)


def test_the_ranking_loss_equals_its_value_by_hand():
    """The loss is -log softmax of -E - log q at the datum."""
    ranking, (loss, metrics) = two_proposals()
    center = np.float32([[0.3, 0.6]])
    e = noise.shared_normal(noise.stream(SEED, "observation"), [2, 2]).numpy()
    points = np.concatenate([[[0.0, 0.0]], center + np.float32([[0.2], [0.5]]) * e])
    log_q = ranking.log_density(np.float32(points), np.repeat(center, 2, 0)).numpy()
    ratio = np.exp(-points @ W - log_q)
    assert float(loss) == pytest.approx(-np.log(ratio[0] / ratio.sum()), rel=1e-4)
    share = ratio[1:] / ratio[1:].sum()
    assert float(metrics["effective"]) == pytest.approx(1 / np.sum(share**2), rel=1e-4)


@pytest.mark.parametrize("contrast", [Ranking(1000, (0.05, 0.2, 0.8)), Difference(0.0)])
def test_only_the_ranking_fits_the_data_with_a_wrong_generator(contrast):
    """Data N(0, .2^2 I), samples at one wrong point: a becomes 1 / .2^2 = 25, or diverges."""
    energy, generator = Energy(Bowl(), (2,)), point_generator([0.3, 0.0])
    rates = adam(0.05), sgd(0.0)
    learner = MaxEntropy(energy, generator, Channel(0.1, 1), contrast, *rates, 1.0, 1)
    step = tf.function(learner.train_step)
    data = 0.2 * noise.normal(noise.make_seed(4), [500, 2])
    found = []
    for k in range(200):
        step({"image": data}, noise.fold(SEED, k))
        found.append(float(tf.exp(energy.trainable_variables[0])))
    expected = 2 / np.mean(np.sum(data.numpy() ** 2, axis=1))
    fits = np.mean(found[-100:]) == pytest.approx(expected, rel=0.05)
    assert fits == isinstance(contrast, Ranking)


# Capabilities of the learner


def test_scores_are_the_energy_or_the_norm_of_its_gradient():
    for score_by, expected in (
        ("energy", energy_of(X)),
        ("gradient", np.linalg.norm(X @ SYMMETRIC, axis=1)),
    ):
        learner = make(Energy(Quadratic(SYMMETRIC), (2,)), score_by=score_by)
        np.testing.assert_allclose(learner.score(BATCH, SEED), expected, rtol=1e-5)
        np.testing.assert_allclose(learner.energy(X), energy_of(X), rtol=1e-5)


def test_the_energy_uses_the_running_mean_of_the_weights(one_replica, two_replicas):
    """With E = w.x, w_k = w - k rate d; the mean of Keras starts at w_1."""
    for strategy in (one_replica, two_replicas):
        with strategy.scope():
            energy, generator = linear_energy(), point_generator([0.3, 0.6])
            averaging = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.75)
            terms = Channel(1.0, 1), Difference(0.0)
            learner = MaxEntropy(energy, generator, *terms, averaging, sgd(0.0), 1.0, 1)
        train = functools.partial(train_on, X, learner)
        step_fn = compile_step(strategy, train, SEED)
        starts = values(energy)[0]
        weights = [step_fn(None, tf.constant(k)) and values(energy)[0] for k in range(3)]
        mean = weights[0]
        for later in weights[1:]:
            mean = 0.75 * mean + 0.25 * later
        assert np.abs(weights[2] - starts).max() > 0.05
        np.testing.assert_allclose(learner.energy(X), X @ mean[:, 0], atol=1e-6)
        np.testing.assert_allclose(energy.energy(X), X @ weights[2][:, 0], atol=1e-6)


def train_on(x, learner, batch, seed):
    del batch
    return learner.train_step({"image": tf.constant(x)}, seed)


def test_samples_are_in_range():
    learner = make(generator=point_generator([3.0, -0.2]))
    np.testing.assert_allclose(learner.sample(5, SEED), np.tile([1.0, -0.2], [5, 1]), atol=1e-6)
    assert learner.image_shape == (2,)
    assert all(can(learner, protocol) for protocol in (Learner, Scores, HasEnergy))
    wide = make(generator=linear_generator(0.1 * np.eye(2))).sample(4000, SEED)
    assert np.std(wide) == pytest.approx(0.1, rel=0.05)


# On several replicas


CONTRASTS = {
    "learned": Difference(0.1),
    "channel": Difference(0.1, refinement=Refinement(2, 0.01)),
    "ranking": Ranking(6, (0.1, 0.5)),
}


def every_bound(joint, product):
    return tf.add_n([bound(joint, product) for bound in BOUNDS])


def course(strategy, kind):
    """Returns metrics and weights after three steps with a global batch of 16 examples."""
    keras.utils.set_random_seed(2)
    with strategy.scope():
        told = make_learned(every_bound)[0] if kind == "learned" else Channel(0.2, 5)
        learner = make(
            Energy(perceptron([8], 1, "tanh"), (2,)),
            Generator(perceptron([8], 2, "tanh"), 2),
            updates=2,
            information=told,
            contrast=CONTRASTS[kind],
        )
    size = 16 // strategy.num_replicas_in_sync
    data = noise.normal(noise.make_seed(9), [16, 2]) / 3

    def share(context):
        first = context.replica_id_in_sync_group * size
        return {"image": data[first : first + size]}

    batch = strategy.experimental_distribute_values_from_function(share)
    step_fn = compile_step(strategy, learner.train_step, SEED)
    metrics = [step_fn(batch, tf.constant(k)) for k in range(3)][-1]
    models = [v for v in learner.state.values() if isinstance(v, keras.Model)]
    return metrics, [v.numpy() for m in models for v in m.trainable_variables]


@pytest.mark.parametrize("kind", CONTRASTS)
def test_one_and_two_replicas_agree(kind, one_replica, two_replicas):
    (metrics, weights), (other_metrics, other_weights) = (
        course(strategy, kind) for strategy in (one_replica, two_replicas)
    )
    for name, value in metrics.items():
        assert float(value) == pytest.approx(float(other_metrics[name]), abs=2e-5)
    for one, two in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)


# Results of training


def adam(rate):
    return keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.9)


def learned_std(weight, energy_rate, num_steps, slope=4.0):
    """Returns the std of samples, and b of E = b x^2 / 2, for data of variance 1/4."""
    keras.utils.set_random_seed(0)
    energy = Energy(Quadratic([[slope]]), (1,))
    generator = linear_generator([[0.2]])
    learner = MaxEntropy(
        energy,
        generator,
        Channel(0.05, 64),
        Difference(0.0),
        adam(energy_rate),
        adam(0.02),
        weight,
        energy_updates=1,
    )
    step = tf.function(lambda x, k: learner.train_step({"image": x}, noise.fold(SEED, k)))
    rng = np.random.default_rng(4)
    for k in tf.range(num_steps):
        step(tf.constant(rng.normal(0, 0.5, [256, 1]), tf.float32), k)
    samples = learner.sample(4000, SEED)
    return float(np.std(samples)), slope * float(values(energy)[0])


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_with_a_fixed_energy_the_weight_is_the_temperature_of_samples(weight):
    std, _ = learned_std(weight, 0.0, 200)
    assert std == pytest.approx(0.5 * np.sqrt(weight), rel=0.1)


def test_without_the_entropy_term_samples_collapse():
    std, _ = learned_std(0.0, 0.0, 200)
    assert std == pytest.approx(0.05, rel=0.1)  # only the noise of the channel remains


@pytest.mark.parametrize(("weight", "start"), [(1.0, 2.0), (0.5, 4.0)])
def test_joint_training_fits_samples_and_energy_to_the_data(weight, start):
    """The energy becomes E = -weight log p, with slope weight / variance."""
    std, slope = learned_std(weight, 0.05, 400, start)
    assert std == pytest.approx(0.5, rel=0.2)
    assert slope == pytest.approx(weight / 0.25, rel=0.3)
