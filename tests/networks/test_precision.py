"""Networks in bfloat16: types, copies of weights, and differences from float32."""

import contextlib
import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

import linear_gaussian as toy
from tf_shortrun.core import noise
from tf_shortrun.methods.latent import short_run
from tf_shortrun.methods.latent.blocks import GaussianConditional, LadderMerge, released_std
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.objectives import EnergyScore, model_pairs
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.step_size import GridSearch
from tf_shortrun.methods.latent.top_down import TopDownGenerator
from tf_shortrun.networks.fused import BiasedTanh, biased_gelu, gelu
from tf_shortrun.networks.precision import cast_once, compute_dtype, layers_of

SEED = noise.make_seed(4)
PUBLISHED = functools.partial(GaussianConditional, std_fn=released_std)


def generator(policy, conditional=PUBLISHED, features=16):
    keras.utils.set_random_seed(0)
    return TopDownGenerator((16, 16, 3), (8, 6, 10), features, 1, conditional, 0.3, policy)


def images(num=16):
    return tf.random.stateless_uniform([num, 16, 16, 3], SEED, -1.0, 1.0)


def reference(x):
    return keras.activations.gelu(x, approximate=False)


def derivatives(function, x):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = function(x)
        first = inner.gradient(y, x)
    return y, first, outer.gradient(first, x)


def test_the_gradient_of_a_bias_sums_in_float32():
    """TensorFlow sums bfloat16 in bfloat16, where 256 + 1 is 256."""
    x = tf.zeros([4, 32, 32, 3], tf.bfloat16)
    bias = tf.fill([3], 9.0)  # GELU is the identity at 9
    with tf.GradientTape() as tape:
        tape.watch(bias)
        y = tf.reduce_sum(tf.cast(biased_gelu(x, bias), tf.float32))
    np.testing.assert_allclose(tape.gradient(y, bias), [4 * 32**2] * 3)
    biased = BiasedTanh("zeros")
    with tf.GradientTape() as tape:
        y = tf.reduce_sum(biased(x))
    np.testing.assert_allclose(tape.gradient(y, biased.bias.value), [4 * 32**2] * 3)


def test_gelu_and_two_derivatives_equal_those_of_keras():
    x = tf.constant(np.linspace(-6.0, 6.0, 101), tf.float32)
    for ours in (gelu, tf.function(gelu)):
        for a, b in zip(derivatives(ours, x), derivatives(reference, x), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-6)


def test_gelu_in_bfloat16_is_rounded_once():
    x = tf.cast(tf.linspace(-6.0, 6.0, 101), tf.bfloat16)
    value, slope, _ = derivatives(gelu, x)
    exact = derivatives(reference, tf.cast(x, tf.float32))
    assert value.dtype == slope.dtype == tf.bfloat16
    np.testing.assert_array_equal(value, tf.cast(gelu(tf.cast(x, tf.float32)), tf.bfloat16))
    np.testing.assert_allclose(tf.cast(slope, tf.float32), exact[1], atol=2**-8)


def test_skips_are_added_before_rounding_and_pass_gradients_on():
    draws = [noise.normal(noise.fold(SEED, i), [50, 3]) for i in range(3)]
    x, first, second = (tf.cast(draw, tf.bfloat16) for draw in draws)
    bias = tf.constant([0.1, -0.2, 0.3])
    with tf.GradientTape() as tape:
        tape.watch([x, first, second])
        y = biased_gelu(x, bias, first, second)
    exact = [tf.cast(t, tf.float32) for t in (x, first, second)]
    expected = reference(exact[0] + bias) + exact[1] + exact[2]
    np.testing.assert_array_equal(y, tf.cast(expected, tf.bfloat16))
    dx, *others = tape.gradient(y, [x, first, second])
    for other in others:
        np.testing.assert_array_equal(other, tf.ones_like(y))
    with tf.GradientTape() as tape:
        tape.watch(x)
        alone = biased_gelu(x, bias)
    np.testing.assert_array_equal(dx, tape.gradient(alone, x))


@pytest.mark.parametrize("conditional", [PUBLISHED, LadderMerge])
def test_only_the_network_is_bfloat16(conditional):
    model = generator("mixed_bfloat16", conditional)
    latents = model.sample_latents(2, SEED)
    assert compute_dtype(model) == "bfloat16" and compute_dtype(generator("float32")) == "float32"
    posterior = ShortRun(2, 0.001)(model, {"image": images(2)}, SEED)
    seen = [model(latents), model.log_joint(latents, images(2)), *posterior.latents, *model.weights]
    assert {tf.as_dtype(x.dtype) for x in seen} == {tf.float32}
    assert model.residuals[0](tf.zeros([1, 8, 8, 16])).dtype == tf.bfloat16
    assert keras.config.dtype_policy().name == "float32"


def test_weights_are_cast_once_per_chain_without_changing_its_end(monkeypatch):
    model = generator("mixed_bfloat16")
    kernels = [v for v in model.trainable_variables if len(v.shape) > 1]
    biases = [p.layers[0].bias for p in model.projections]
    biases += [layers[-1].bias for c in model.conditionals for layers in (c.mean, c.raw_std)]

    def chain():
        return ShortRun(3, 0.001)(model, {"image": images(2)}, SEED).latents

    def casts_in_functions():
        graph = tf.function(lambda: chain()).get_concrete_function().graph.as_graph_def()
        return sum(n.op == "Cast" for f in graph.library.function for n in f.node_def)

    once, end = casts_in_functions(), chain()
    monkeypatch.setattr(short_run, "cast_once", lambda _: contextlib.nullcontext())
    assert casts_in_functions() - once == len(kernels) + len(biases)
    for a, b in zip(end, chain(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_float32_layer_in_a_bfloat16_network_keeps_its_weights():
    exact = keras.layers.Dense(3, dtype="float32")
    with layers_of("mixed_bfloat16"):
        network = keras.Sequential([keras.Input([2]), keras.layers.Dense(4), exact])
    model = Decoder(network, [2], sigma=0.3)
    with cast_once(model):
        assert exact.kernel.value.dtype == tf.float32
        assert network.layers[0].kernel.value.dtype == tf.bfloat16
    assert network.layers[0].kernel.value.dtype == tf.float32


@pytest.mark.parametrize("conditional", [PUBLISHED, LadderMerge])
def test_gradients_in_bfloat16_have_the_direction_of_float32(conditional):
    """The cosine is above 0.999 in every layer of latents and every weight."""
    gradients = []
    for policy in ("float32", "mixed_bfloat16"):
        model = generator(policy, conditional, features=32)
        latents = model.sample_latents(16, SEED)
        with tf.GradientTape() as tape:
            tape.watch(latents)
            loss = tf.reduce_sum(model.log_joint(latents, images()))
        gradients.append(tape.gradient(loss, [*latents, *model.trainable_variables]))
    for a, b in zip(*gradients, strict=True):
        assert tf.reduce_sum(a * b) / tf.norm(a) / tf.norm(b) > 0.999
        assert tf.norm(a - b) > 0  # the computations differ


def ends(policy, step_size=0.01):
    """Returns ends of 4096 chains for one observation of the linear Gaussian model: [4096, 8]."""
    with layers_of(policy):
        network = keras.Sequential([keras.Input([8]), keras.layers.Dense(32, use_bias=False)])
    network.set_weights([toy.W])
    model = Decoder(network, [8], toy.SIGMA)
    x = tf.repeat(toy.dataset(1).test.images, 4096, axis=0)
    return ShortRun(20, step_size)(model, {"image": x}, SEED).latents[0].numpy()


def test_bfloat16_hardly_changes_the_distribution_of_a_chain():
    """The change is below 1 % of a standard deviation, with equal noise.

    A step that is 5 % longer changes the distribution by more.
    """
    exact, rounded, longer = ends("float32"), ends("mixed_bfloat16"), ends("float32", 0.0105)

    def distance(other):
        shift = np.abs(other.mean(0) - exact.mean(0)) / exact.std(0)
        return max(shift.max(), np.abs(np.log(other.std(0) / exact.std(0))).max())

    assert 0 < distance(rounded) < 0.01 < distance(longer)


def test_both_types_choose_the_same_step_size():
    """Both minimise the energy score E |u - z*| - E |u - u'| / 2, with equal weights and noise.

    By the triangle inequality, rounding changes the score by at most |du| + (|du| + |du'|) / 2 on
    average, where du is the change of the end u of a chain. The test measures du; it is a few times
    the rounding of bfloat16, relative to the end of the chain.
    """
    sizes, choices, ends = (0.0005, 0.002, 0.008), [], []
    for policy in ("float32", "mixed_bfloat16"):
        model = generator(policy)
        inference = ShortRun(5, GridSearch(EnergyScore(model_pairs), sizes, 32))
        inference.build(model)
        choices.append(tf.function(inference.adapt)(model, {"image": images()}, SEED))
        chains = tf.function(functools.partial(scored_ends, inference, model))
        ends.append([chains(tf.fill([5, 3], size)) for size in sizes])
    moved = np.linalg.norm(np.subtract(*ends), axis=-1).mean(-1)  # [sizes, 2]
    bounds = moved @ [1.5, 0.5]
    exact, rounded = (choice["values"].numpy() for choice in choices)
    assert np.all(np.abs(exact - rounded) <= bounds + 1e-6 * exact)
    length = np.linalg.norm(ends[0][-1][0], axis=-1).mean()
    assert np.all(moved < 16 * 2**-8 * length)
    np.testing.assert_array_equal(*(choice["step_sizes"] for choice in choices))
    best, second = np.sort(exact)[:2]
    assert second - best > 2 * bounds.max()  # power: rounding cannot decide


def scored_ends(inference, model, step_sizes):
    """Returns the ends of the two chains that the score compares: [2, B, d]."""
    _, batch = model_pairs(inference, model, {"image": images()}, noise.stream(SEED, "pairs"))
    seeds = noise.split(noise.stream(SEED, "chains"), 2)
    chains = [inference.run(model, batch, step_sizes, seed)[0].latents for seed in seeds]
    return tf.stack([tf.concat(z, axis=-1) for z in chains])
