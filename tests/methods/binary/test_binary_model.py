"""Tests of binary generators, their posteriors, observations and residual networks."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import erf, expit, logsumexp, softmax

import binary_toy as toy
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.noise import make_seed
from tf_shortrun.methods.binary.binary_model import BinaryGenerator, BinaryPosterior
from tf_shortrun.methods.binary.estimators import complete
from tf_shortrun.networks.observation import LogisticMixture, signs
from tf_shortrun.networks.perceptron import perceptron
from tf_shortrun.networks.residual import dense_tower, strided_tower, subpixel_tower

LEVELS = np.arange(256) / 127.5 - 1
IMAGE = np.tile(2 * toy.X.reshape(1, 2, 3, 1) - 1, [1024, 1, 1, 1]).astype(np.float32)


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(5)


# The generator


def make_generator():
    """Returns the toy, whose decoder reads 0 and 1: z A + a = (2z - 1) A/2 + (a + sum A/2)."""
    decoder = keras.Sequential([keras.layers.Dense(6), keras.layers.Reshape((2, 3, 1))])
    model = BinaryGenerator(toy.make_model(), decoder, signs)
    bias = toy.DECODER_BIAS + toy.DECODER.sum(axis=0) / 2
    decoder.layers[0].set_weights([toy.DECODER / 2, bias])
    return model


def test_log_joint_equals_that_of_the_toy():
    model, z = make_generator(), tf.constant(toy.STATES, tf.float32)
    assert model.image_shape == (2, 3, 1)
    likelihood = model.likelihood(z).log_prob(IMAGE)
    np.testing.assert_allclose(likelihood, toy.log_likelihood(), atol=1e-4)
    joint = model.log_joint(z, IMAGE)
    np.testing.assert_allclose(joint, toy.log_likelihood() + toy.log_unnormalised(), atol=1e-4)
    log_evidence = logsumexp(joint.numpy().astype(float)) - toy.LOG_PARTITION
    assert log_evidence == pytest.approx(-3.448034, abs=1e-5)
    inverted = logsumexp(model.log_joint(1 - z, -IMAGE)) - toy.LOG_PARTITION
    assert abs(inverted - log_evidence) > 0.1  # power of the check


# The posterior


def make_posterior(num_latents, num_groups, units=(16,)):
    head = functools.partial(perceptron, list(units), activation="tanh")
    trunk = perceptron([8], 5, "tanh", "tanh")
    return BinaryPosterior(trunk, head, num_latents, num_groups, (2, 3, 1))


def all_logits(posterior, x, z):
    """Returns the logits of each group given the previous groups of z: [B, m]."""
    conditionals = posterior.conditionals(x)
    groups = np.split(np.float32(z), len(conditionals), axis=1)
    return np.concatenate([c(groups[:g]) for g, c in enumerate(conditionals)], axis=1)


@pytest.mark.parametrize("num_groups", [1, 3])
def test_a_group_depends_only_on_previous_groups(num_groups):
    posterior, width = make_posterior(12, num_groups), 12 // num_groups
    x, z = IMAGE[:2], np.random.default_rng(0).integers(0, 2, (2, 12))
    before = all_logits(posterior, x, z)
    assert before.shape == (2, 12)
    for bit in range(12):
        flipped = z.copy()
        flipped[0, bit] ^= 1
        moved = np.abs(all_logits(posterior, x, flipped) - before)
        later = np.arange(12) // width > bit // width
        np.testing.assert_array_equal(moved[0] > 1e-5, later)
        assert moved[1].max() == 0
    x = x * np.float32([[[[1]]], [[[-1]]]])
    moved = np.abs(all_logits(posterior, x, z) - before)
    assert moved[0].max() < 1e-6 and moved[1].min() > 1e-5


def test_inputs_of_heads_are_features_and_bits_as_signs():
    posterior = make_posterior(6, 3, units=())
    assert len(posterior.trainable_variables) == 4 + 3 * 2
    features = posterior.trunk(IMAGE[:4]).numpy()
    z = np.random.default_rng(0).integers(0, 2, (4, 6))
    logits = all_logits(posterior, IMAGE[:4], z)
    for g, head in enumerate(posterior.heads):
        kernel, bias = head.get_weights()
        inputs = np.concatenate([features, 2 * z[:, : 2 * g] - 1], axis=1)
        expected = inputs @ kernel + bias
        np.testing.assert_allclose(logits[:, 2 * g : 2 * g + 2], expected, atol=1e-6)


def test_log_q_of_draws_equals_enumeration():
    """The probabilities of all 2^6 codes add up to 1 and equal those of the draws."""
    posterior, codes = make_posterior(6, 3), toy.states(6)
    log_odds = all_logits(posterior, IMAGE[:64], codes)
    log_q = -np.logaddexp(0, -(2 * codes - 1) * log_odds).sum(axis=1)
    assert np.exp(log_q).sum() == pytest.approx(1, abs=1e-5)
    z, ours = tf.function(lambda x: complete(posterior.conditionals(x), make_seed(0)))(IMAGE[:64])
    np.testing.assert_allclose(ours, log_q[toy.index(z)], atol=1e-5)


@pytest.mark.parametrize("num_groups", [0, 5, 24])
def test_unequal_groups_are_refused_in_one_line(num_groups):
    with pytest.raises(InputError, match=f"num_groups {num_groups}: choose groups") as error:
        make_posterior(12, num_groups)
    assert "\n" not in str(error.value)


# Observations


def test_signs_are_a_normalised_distribution_of_images():
    logits = tf.constant(np.random.default_rng(0).normal(0, 2, (1, 2, 2, 2)), tf.float32)
    x = np.array(list(itertools.product([-1.0, 1.0], repeat=8))).reshape(256, 2, 2, 2)
    distribution = signs(logits)
    probability = np.exp(distribution.log_prob(np.float32(x)))
    assert distribution.event_shape == (2, 2, 2) and distribution.batch_shape == (1,)
    assert probability.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(np.tensordot(probability, x, 1), distribution.mean()[0], atol=1e-5)
    white = np.prod(expit(logits))
    assert probability[-1] == pytest.approx(white, rel=1e-5)


def mixture(weights, locs, log_scales):
    """Returns the distribution of one pixel from [K], [K, C] and [K, C]."""
    locs = np.asarray(locs, float)
    outputs = np.concatenate([weights, locs.ravel(), np.ravel(log_scales)])
    assert len(outputs) == LogisticMixture(len(weights), 256).num_outputs(locs.shape[1])
    return LogisticMixture(len(weights), 256)(tf.constant(outputs[None, None, None], tf.float32))


def masses(distribution, channels=1):
    """Returns the probabilities of all 256^C values of a pixel."""
    x = np.array(list(itertools.product(LEVELS, repeat=channels)), np.float32)
    return np.exp(distribution.log_prob(x[:, None, None, :]).numpy().astype(float))


def expected_mass(x, loc, scale):
    """Returns the probability from the distribution function, in float64."""
    upper = np.where(x > 0.999, 1.0, expit((x + 1 / 255 - loc) / scale))
    lower = np.where(x < -0.999, 0.0, expit((x - 1 / 255 - loc) / scale))
    return upper - lower


def test_the_probability_of_a_level_equals_its_value_by_hand():
    """Standard logistic: s(2/255) - s(0) at level 128, s(-254/255) at both ends."""
    distribution = mixture([0.0], [[0.0]], [[0.0]])
    probability = masses(distribution)
    assert probability[128] == pytest.approx(0.00196077, abs=1e-8)
    assert probability[0] == pytest.approx(0.269713, abs=1e-6)
    assert probability[255] == pytest.approx(0.269713, abs=1e-6)


@pytest.mark.parametrize("loc", [-1.5, 0.3, 1.0])
@pytest.mark.parametrize("log_scale", [-7.0, -4.0, -1.0, 2.0])
def test_probabilities_of_all_levels_add_up_to_one(loc, log_scale):
    probability = masses(mixture([0.7], [[loc]], [[log_scale]]))
    assert probability.sum() == pytest.approx(1, abs=2e-4)
    # float32 gives (x - loc) / scale to about 1e-4.
    expected = expected_mass(LEVELS, loc, np.exp(log_scale))
    np.testing.assert_allclose(probability, expected, atol=2e-4)
    neighbour = expected_mass(LEVELS, loc, np.exp(log_scale + 0.1))
    assert np.abs(probability - neighbour).max() > 4e-4 or loc == -1.5  # power of the check


def test_channels_of_a_pixel_share_a_component():
    weights, locs = np.array([0.5, -0.5]), np.array([[-0.6, 0.2], [0.7, -0.1]])
    log_scales = np.array([[-2.0, -3.0], [-1.0, -2.5]])
    distribution = mixture(weights, locs, log_scales)
    probability = masses(distribution, 2).reshape(256, 256)
    assert probability.sum() == pytest.approx(1, abs=1e-4)
    parts = [
        [expected_mass(LEVELS, locs[k, c], np.exp(log_scales[k, c])) for c in range(2)]
        for k in range(2)
    ]
    shares = softmax(weights)
    expected = sum(shares[k] * np.outer(*parts[k]) for k in range(2))
    np.testing.assert_allclose(probability, expected, rtol=1e-3, atol=1e-9)
    alone = np.outer(probability.sum(axis=1), probability.sum(axis=0))
    assert np.abs(probability - alone).sum() > 0.1  # power of the check
    np.testing.assert_allclose(distribution.mean()[0, 0, 0], shares @ locs, atol=1e-6)


def test_the_mean_equals_the_mean_of_levels_if_the_ends_cut_little():
    distribution = mixture([0.2, -0.3], [[-0.3], [0.4]], [[-4.0], [-3.5]])
    assert masses(distribution) @ LEVELS == pytest.approx(
        distribution.mean().numpy().item(), abs=1e-4
    )


def test_a_uniform_mixture_has_8_bits():
    """Each level has a narrow component; it loses as much to its neighbours as it gains."""
    distribution = mixture(np.zeros(256), LEVELS[:, None], np.full(256, -7.0))
    bits = -np.log2(masses(distribution))
    np.testing.assert_allclose(bits, 8, atol=1e-3)


def test_log_scales_below_minus_7_are_clipped():
    narrow, narrowest = (masses(mixture([0.0], [[0.0]], [[s]])) for s in (-20.0, -7.0))
    np.testing.assert_array_equal(narrow, narrowest)
    assert np.abs(masses(mixture([0.0], [[0.0]], [[-6.0]])) - narrowest).max() > 0.01


@pytest.mark.parametrize("log_scale", [-20.0, 0.0, 20.0])
@pytest.mark.parametrize("loc", [-10.0, 0.0, 10.0])
def test_extreme_parameters_have_finite_gradients(loc, log_scale):
    levels = tf.constant(LEVELS[[0, 1, 128, 254, 255]], tf.float32)[:, None, None, None]
    outputs = tf.tile(tf.constant([0.0, 50.0, loc, -loc, log_scale, log_scale])[None], [5, 1])
    outputs = outputs[:, None, None]
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        log_prob = LogisticMixture(2, 256)(outputs).log_prob(levels)
    gradient = tape.gradient(log_prob, outputs).numpy()[:, 0, 0]
    assert np.isfinite(log_prob).all() and np.isfinite(gradient).all()
    assert np.max(log_prob) < 1e-6
    if loc and log_scale < 20:  # the gradient moves the likely component, at -loc, to level 128
        middle = gradient[2, 3]
        assert np.sign(middle) == np.sign(loc) and abs(middle) > 0.5


def test_logistic_mixtures_have_the_shapes_of_images():
    outputs = tf.random.stateless_normal([5, 4, 3, 14], [0, 0])
    x = np.float32(np.random.default_rng(0).choice(LEVELS, (7, 5, 4, 3, 3)))
    whole = LogisticMixture(2, 256)(outputs)
    assert whole.batch_shape == (5,) and whole.event_shape == (4, 3, 3)
    assert whole.mean().shape == (5, 4, 3, 3) and whole.log_prob(x[0]).shape == (5,)
    pixels = [
        LogisticMixture(2, 256)(outputs[:, i : i + 1, j : j + 1]).log_prob(
            x[0, :, i : i + 1, j : j + 1]
        )
        for i in range(4)
        for j in range(3)
    ]
    np.testing.assert_allclose(whole.log_prob(x[0]), np.sum(pixels, axis=0), rtol=1e-5)
    several = np.stack([whole.log_prob(one) for one in x])
    np.testing.assert_allclose(whole.log_prob(x), several, rtol=1e-5)

    @tf.function(input_signature=[tf.TensorSpec([None, 4, 3, 14]), tf.TensorSpec([None, 4, 3, 3])])
    def of_any_batch(outputs, x):
        distribution = LogisticMixture(2, 256)(outputs)
        return distribution.log_prob(x), distribution.batch_shape_tensor()

    log_prob, batch = of_any_batch(outputs, x[0])
    np.testing.assert_allclose(log_prob, several[0], rtol=1e-5)
    assert batch.numpy().tolist() == [5]


def test_fewer_levels_are_wider():
    """17 levels of the digits: probabilities add up to 1 and equal the distribution function."""
    levels = np.arange(17) / 8 - 1
    distribution = LogisticMixture(1, 17)(tf.constant([[[[0.0, 0.3, -1.5]]]]))
    probability = np.exp(distribution.log_prob(np.float32(levels)[:, None, None, None]))
    assert probability.sum() == pytest.approx(1, abs=1e-5)
    bytes_of_levels = np.rint(255 * np.arange(17) / 16) / 127.5 - 1
    as_bytes = np.exp(distribution.log_prob(np.float32(bytes_of_levels)[:, None, None, None]))
    np.testing.assert_allclose(as_bytes, probability, rtol=1e-4)
    inner = expit((0.25 + 1 / 16 - 0.3) * np.exp(1.5)) - expit((0.25 - 1 / 16 - 0.3) * np.exp(1.5))
    assert probability[10] == pytest.approx(inner, rel=1e-4)


def test_the_first_log_scale_is_added_before_the_clip():
    outputs = tf.constant([[[[0.0, 0.3, -1.5]], [[0.0, 0.3, -9.0]]]])
    shifted = outputs - tf.constant([0.0, 0.0, 2.0])
    plain, moved = LogisticMixture(1, 256), LogisticMixture(1, 256, first_log_scale=-2.0)
    np.testing.assert_allclose(moved(outputs).log_scales, plain(shifted).log_scales)
    assert np.asarray(moved(outputs).log_scales).ravel().tolist() == [-3.5, -7.0]


def linear(weights, locs, log_scales, slopes, num_levels=256):
    """Returns the distribution of one pixel with linear channels; slopes before tanh, [P]."""
    outputs = np.concatenate([weights, *map(np.ravel, (locs, log_scales, slopes))])
    observation = LogisticMixture(len(weights), num_levels, linear_channels=True)
    assert len(outputs) == observation.num_outputs(np.shape(locs)[1])
    return observation(tf.constant(outputs[None, None, None], tf.float32))


def test_linear_channels_equal_a_value_by_hand():
    """mu = (0, tanh(1) / 2, tanh(-1) / 2 + tanh(2)) at x = (1/2, 1, .); tanh 1 = .76159."""
    colours = linear([0.0], [[0.0, 0.0, 0.0]], [[-1.0, -2.0, -3.0]], [1.0, -1.0, 2.0], 5)
    x = np.array([0.5, 1.0, 0.5])
    locs, scales = [0, 0.380797, 0.583230], np.exp([-1.0, -2.0, -3.0])
    upper, lower = (expit((x + h - locs) / scales) for h in (0.25, -0.25))
    upper[1] = 1  # the last level gets the mass beyond
    by_hand = np.log(upper - lower).sum()
    log_prob = colours.log_prob(np.float32(x[None, None, None]))
    assert float(log_prob[0]) == pytest.approx(by_hand, abs=1e-4)


def test_linear_channels_are_normalised_and_not_independent():
    """9^3 colours add up to 1; without slopes they are those of independent channels."""
    rng = np.random.default_rng(0)
    parts = rng.normal(size=2), rng.uniform(-1, 1, (2, 3)), rng.uniform(-4, -1, (2, 3))
    x = np.float32(list(itertools.product(np.arange(9) / 4 - 1, repeat=3)))[:, None, None]

    def masses(distribution):
        return np.exp(distribution.log_prob(x).numpy().astype(float))

    slopes = rng.normal(size=3)
    probability = masses(linear(*parts, slopes, 9))
    assert probability.sum() == pytest.approx(1, abs=1e-4)
    outputs = tf.constant(np.concatenate([np.ravel(a) for a in parts])[None, None, None])
    plain = masses(LogisticMixture(2, 9)(tf.cast(outputs, tf.float32)))
    np.testing.assert_allclose(masses(linear(*parts, 0 * slopes, 9)), plain, atol=1e-6)
    assert np.abs(probability - plain).sum() > 0.1  # power of the check
    first = probability.reshape(9, 81).sum(axis=1)
    np.testing.assert_allclose(first, plain.reshape(9, 81).sum(axis=1), atol=1e-5)


def test_the_mean_of_linear_channels_equals_the_mean_of_levels_if_the_ends_cut_little():
    locs, log_scales = [[-0.1, 0.2, -0.2], [0.3, -0.1, 0.1]], np.full((2, 3), -3.5)
    distribution = linear([0.2, -0.3], locs, log_scales, [0.5, -0.4, 0.6], 33)
    levels = np.arange(33) / 16 - 1
    x = np.array(list(itertools.product(levels, repeat=3)))
    probability = np.exp(distribution.log_prob(np.float32(x)[:, None, None]).numpy())
    np.testing.assert_allclose(probability @ x, distribution.mean()[0, 0, 0], atol=2e-3)
    assert np.abs(probability @ x - softmax([0.2, -0.3]) @ locs).max() > 0.02  # power


def test_a_square_of_pixels_is_one_pixel_whose_channels_are_its_colours():
    """Its probability and mean equal those of a 1 x 1 image with 4 times the channels."""
    squares = LogisticMixture(2, 9, linear_channels=True, square=2)
    joined = LogisticMixture(2, 9, linear_channels=True)
    num = squares.num_outputs(2)
    assert num == joined.num_outputs(8) == 2 * 17 + 28
    outputs = tf.random.stateless_normal([3, 2, 1, num], [0, 0])
    x = np.float32(np.random.default_rng(0).integers(0, 9, (3, 4, 2, 2)) / 4 - 1)
    assert squares(outputs).event_shape == (4, 2, 2)
    by_square = x.reshape(3, 2, 2, 1, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(3, 2, 1, 8)
    expected = joined(outputs).log_prob(by_square)
    np.testing.assert_allclose(squares(outputs).log_prob(x), expected, rtol=1e-6)
    mean = squares(outputs).mean().numpy()
    as_square = mean.reshape(3, 2, 2, 1, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(3, 2, 1, 8)
    np.testing.assert_allclose(as_square, joined(outputs).mean(), rtol=1e-6)
    mirrored = squares(outputs).log_prob(x[:, :, ::-1])
    assert np.abs(mirrored - expected).min() > 0.1  # power: the order within a square matters
    several = squares(outputs).log_prob(np.stack([x, -x]))
    np.testing.assert_allclose(several[1], squares(outputs).log_prob(-x), rtol=1e-6)


@pytest.mark.parametrize("sizes", [(0, 256), (2, 1), (2, 256, True, 0.0, 0)])
def test_a_mixture_of_too_few_parts_is_refused_in_one_line(sizes):
    with pytest.raises(InputError, match="choose at least 1 component and 2 levels, and") as error:
        LogisticMixture(*sizes)
    assert "\n" not in str(error.value)


# Residual networks


def normalised(x):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)


def test_a_dense_tower_equals_its_value_by_hand():
    tower, x = dense_tower(6, 1, (2, 3)), np.random.default_rng(0).normal(size=(4, 5, 1))
    ours = tower(x).numpy()
    branch = tower.layers[2].branch.layers
    layers = [tower.layers[1], branch[1], branch[2], tower.layers[4]]
    first, inner, outer, last = (layer.get_weights() for layer in layers)
    h = x.reshape(4, 5) @ first[0] + first[1]
    branch = normalised(h) @ inner[0] + inner[1]
    branch = branch * 0.5 * (1 + erf(branch / np.sqrt(2)))
    h = h + branch @ outer[0] + outer[1]
    expected = (normalised(h) @ last[0] + last[1]).reshape(4, 2, 3)
    np.testing.assert_allclose(ours, expected, atol=1e-5)


TOWERS = [
    (lambda: dense_tower(16, 2, (2, 3, 1)), (7,), (2, 3, 1)),
    (lambda: dense_tower(16, 0, (5,)), (2, 3, 1), (5,)),
    (lambda: subpixel_tower(2, 16, 1, 4, 3), (7,), (8, 8, 3)),
    (lambda: subpixel_tower(2, 8, 2, 5, 1), (7,), (10, 10, 1)),
    (lambda: subpixel_tower(3, 8, 0, 2, 2), (7,), (6, 6, 2)),
    (lambda: strided_tower((8, 16), 5, 12), (7, 7, 2), (12,)),
]


@pytest.mark.parametrize("make, shape, outputs", TOWERS)
def test_towers_have_their_shapes_and_do_not_mix_examples(make, shape, outputs):
    tower, x = make(), np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    together = tower(x).numpy()
    assert together.shape == (3, *outputs)
    for i in range(3):
        np.testing.assert_allclose(tower(x[i : i + 1])[0], together[i], atol=1e-5)
    changed = tower(x * np.float32([1, 1, -1]).reshape(3, *[1] * len(shape)), training=True)
    np.testing.assert_allclose(changed[:2], together[:2], atol=1e-5)
    assert np.abs(changed[2] - together[2]).max() > 0.01
    assert not tower.non_trainable_variables


def test_blocks_with_a_zero_last_layer_are_the_identity():
    plain, tower = (subpixel_tower(2, 8, n, 2, 1) for n in (0, 2))
    z = np.random.default_rng(0).normal(size=(3, 7)).astype(np.float32)
    plain(z), tower(z)
    blocks = [layer for layer in tower.layers if hasattr(layer, "branch")]
    rest = [layer for layer in tower.layers if layer not in blocks]
    for ours, theirs in zip(rest, plain.layers, strict=True):
        ours.set_weights(theirs.get_weights())
    assert len(blocks) == 2 and np.abs(tower(z) - plain(z)).max() > 0.01
    for block in blocks:
        last = block.branch.layers[-1]
        last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    np.testing.assert_array_equal(tower(z), plain(z))


def test_the_channels_of_a_position_become_a_square_of_pixels():
    tower, z = subpixel_tower(2, 8, 1, 3, 2), np.ones([1, 5], np.float32)
    image = tower(z).numpy()
    last = tower.layers[-2]
    last.set_weights([np.zeros_like(last.get_weights()[0]), np.arange(18)])
    square = np.arange(18).reshape(3, 3, 2)
    np.testing.assert_array_equal(tower(z)[0], np.tile(square, [2, 2, 1]))
    assert np.unique(image).size == image.size


@pytest.mark.parametrize("channels, factor", [(0, 2), (-8, 2), (12, 2), (8, 1)])
def test_bad_tower_sizes_are_refused_in_one_line(channels, factor):
    message = f"channels is {channels}, factor {factor}: choose a multiple of 8, and 2 at least"
    with pytest.raises(InputError, match=message) as error:
        subpixel_tower(4, channels, 1, factor, 1)
    assert "\n" not in str(error.value)
