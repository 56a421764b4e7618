import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.blocks import (
    GaussianConditional,
    LadderMerge,
    free_std,
    released_std,
)
from tf_shortrun.methods.latent.encoder import mirrored_encoder
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.top_down import TopDownGenerator
from tf_shortrun.networks import sides

tfd = tfp.distributions
SEED = noise.make_seed(0)
RELEASED_WIDTHS = (64, 64, 64, 96, 128)
PUBLISHED = functools.partial(GaussianConditional, std_fn=released_std)


def generator(shape=(32, 32, 3), widths=RELEASED_WIDTHS, features=64, ups=1, conditional=PUBLISHED):
    return TopDownGenerator(shape, widths, features, ups, conditional, sigma=0.15)


def small(conditional=PUBLISHED):
    return generator((8, 8, 2), (3, 4, 5), 6, 1, conditional)


def num_parameters(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 12_162_435),
        ({"conditional": LadderMerge}, 6_800_419),
        ({"shape": (28, 28, 1)}, 9_085_649),
        ({"shape": (32, 32, 1)}, 12_160_385),
        ({"widths": (64,)}, 354_819),
        ({"widths": (128,)}, 420_355),
        ({"widths": (416,)}, 715_267),
    ],
)
def test_networks_have_the_published_number_of_parameters(arguments, expected):
    assert num_parameters(generator(**arguments)) == expected


def test_arguments_give_images_of_side_64():
    model = generator((64, 64, 3), (8, 8), 16, ups=2)
    assert model(model.sample_latents(2, noise.make_seed(0))).shape == (2, 64, 64, 3)


@pytest.mark.parametrize(
    ("shape", "ups", "base"),
    [
        ((16, 16, 3), 1, (8, 8)),
        ((28, 28, 1), 2, (7, 7)),
        ((32, 32, 3), 2, (8, 8)),
        ((48, 64, 1), 3, (6, 8)),
        ((64, 64, 3), 3, (8, 8)),
        ((128, 128, 3), 4, (8, 8)),
        ((256, 256, 3), 5, (8, 8)),
        ((17, 45, 1), 1, (9, 23)),
        ((50, 75, 3), 3, (7, 10)),
    ],
)
def test_doublings_and_base_maps_follow_from_the_size(shape, ups, base):
    assert sides.num_halvings(shape) == ups
    model = generator(shape, (3, 4), 4, ups=None)
    assert tuple(model.image_shape) == shape
    assert tuple(model.projections[0].layers[1].target_shape) == (*base, 4)
    encoder = mirrored_encoder(5, features=4, num_downsamplings=None, num_blocks=1)
    encoder.build([None, *shape])
    assert encoder.layers[0](tf.zeros([1, *shape])).shape == (1, *base, 4)


def test_of_maps_that_are_too_large_the_middle_is_kept():
    model = generator((17, 22, 1), (3, 4), 4, ups=2)
    latents = model.sample_latents(2, SEED)
    h, _ = model._descend(lambda layer, _: latents[layer])
    whole = model.upsampling(model.last(h))
    assert whole.shape == (2, 20, 24, 1)  # 5 x 6, doubled twice
    np.testing.assert_array_equal(model(latents), whole[:, 1:18, 1:23])


def test_log_joint_equals_that_of_a_tfp_joint_distribution():
    model = small()
    joint = tfd.JointDistributionSequential(
        [
            *[
                tfd.MultivariateNormalDiag(tf.zeros([7, d]), tf.ones(d))
                for d in model.latent_widths
            ],
            lambda *bottom_up: tfd.Independent(
                tfd.Normal(model(list(bottom_up[::-1])), model.sigma), reinterpreted_batch_ndims=3
            ),
        ]
    )
    latents = model.sample_latents(7, noise.make_seed(0))
    x = noise.normal(noise.make_seed(1), [7, 8, 8, 2])
    np.testing.assert_allclose(
        model.log_joint(latents, x), joint.log_prob([*latents, x]), rtol=1e-5
    )


def test_log_joint_in_noise_space_and_latent_space_agree():
    """log p(eps, x) = log p(z, x) + sum_l log std_l, with z_l = mean_l + std_l eps_l."""
    model = small(functools.partial(GaussianConditional, std_fn=free_std))
    eps = model.sample_latents(7, noise.make_seed(0))
    x = noise.normal(noise.make_seed(1), [7, 8, 8, 2])
    layers = model.latent_distributions(eps)
    z = [eps[0]] + [d.loc + d.stddev() * e for d, e in zip(layers[1:], eps[1:], strict=True)]
    log_z = sum(d.log_prob(v) for d, v in zip(layers, z, strict=True))
    log_std = sum(tf.reduce_sum(tf.math.log(d.stddev()), -1) for d in layers[1:])
    expected = log_z + log_std + model.likelihood(eps).log_prob(x)
    np.testing.assert_allclose(model.log_joint(eps, x), expected, rtol=1e-5)


def test_conditionals_are_tfp_distributions_of_the_right_shape():
    layers = small().latent_distributions(small().sample_latents(7, noise.make_seed(0)))
    assert all(isinstance(d, tfd.Distribution) for d in layers)
    assert [d.event_shape[0] for d in layers] == [3, 4, 5]


def test_ladder_merge_has_no_density():
    model = small(LadderMerge)
    with pytest.raises(InputError, match="LadderMerge"):
        model.latent_distributions(model.sample_latents(1, noise.make_seed(0)))


def test_released_std_is_at_least_one_and_free_std_may_be_smaller():
    raw = tf.constant([-1000.0, -3.0, 0.0, 3.0, 1000.0])
    released = released_std(raw).numpy()
    assert released.min() >= 1 and released.max() == pytest.approx(np.exp(5))
    np.testing.assert_allclose(released[2], np.sqrt(2), rtol=1e-6)  # exp(softplus(0) / 2)
    np.testing.assert_allclose(free_std(raw), np.exp([-5, -1.5, 0, 1.5, 5]), rtol=1e-6)


def test_zero_noise_returns_the_mean_of_the_conditional():
    layer = PUBLISHED(width=4, sides=(4, 4), features=6)
    h = noise.normal(noise.make_seed(0), [2, 4, 4, 6])
    np.testing.assert_allclose(layer(h, tf.zeros([2, 4])), layer.distribution(h).loc, rtol=1e-6)


def test_every_layer_changes_the_image():
    model = small()
    latents = model.sample_latents(4, noise.make_seed(0))
    for layer, z in enumerate(latents):
        other = [*latents]
        other[layer] = z + 1.0
        assert np.abs(model(other) - model(latents)).max() > 1e-4


def test_images_are_in_range_and_examples_do_not_mix():
    model = small()
    latents = model.sample_latents(5, noise.make_seed(0))
    images = model(latents)
    assert np.abs(images).max() <= 1
    np.testing.assert_allclose(model([z[:2] for z in latents]), images[:2], atol=1e-6)


def test_any_keras_network_is_a_decoder():
    network = keras.Sequential([keras.layers.Dense(6), keras.layers.Reshape((2, 3, 1))])
    model = Decoder(network, latent_widths=[4], sigma=0.3)
    z = model.sample_latents(5, noise.make_seed(0))
    x = tf.ones([5, 2, 3, 1])
    residual = np.asarray(x - network(z[0])).reshape(5, -1)
    constant = -0.5 * 10 * np.log(2 * np.pi) - 6 * np.log(0.3)
    expected = constant - 0.5 * (residual**2).sum(-1) / 0.09 - 0.5 * (z[0].numpy() ** 2).sum(-1)
    np.testing.assert_allclose(model.log_joint(z, x), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ({"shape": (30, 32)}, "image_shape"),
        ({"shape": (0, 32, 3), "ups": None}, "image_shape"),
        ({"shape": (7, 30, 3), "ups": 3}, "num_upsamplings 3"),
        ({"ups": 0}, "num_upsamplings"),
        ({"widths": ()}, "latent_widths"),
        ({"widths": (3, 0)}, "latent_widths"),
    ],
)
def test_bad_arguments_are_refused(arguments, culprit):
    with pytest.raises(InputError, match=culprit):
        generator(**arguments)
