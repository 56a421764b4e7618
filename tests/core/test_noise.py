import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_shortrun.core import nest, noise, philox


def test_eager_graph_and_xla_draw_the_same_numbers():
    def draw(seed):
        first, second = noise.split(noise.fold(seed, 5), 2)
        return noise.normal(first, [64, 7]), noise.normal(second, [64, 8])

    for seed in ([3, 0], [-3, 7], [-(2**31), -1]):  # XLA treats negative seeds differently
        eager, graph = draw(seed), tf.function(draw)(tf.constant(seed))
        compiled = tf.function(draw, jit_compile=True)(tf.constant(seed))
        for a, b, c in zip(eager, graph, compiled, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_allclose(a, c, atol=2e-6)


def test_the_normal_noise_of_tensorflow_differs_under_xla():
    """This is the reason for `noise.normal`; if the test fails, TensorFlow has fixed it."""

    def draw():
        return tf.random.stateless_normal([64, 7], [3, 0])

    assert np.abs(draw() - tf.function(draw, jit_compile=True)()).max() > 0.1


def test_normal_noise_is_standard_normal():
    x = noise.normal(noise.make_seed(0), [200000, 5]).numpy().ravel()
    assert stats.kstest(x, "norm").pvalue > 1e-4
    assert stats.kstest(1.01 * x, "norm").pvalue < 1e-4  # power
    assert np.abs(x).max() < 5.78


SEEDS = [[3, 0], [-3, 7], [-(2**31), -1], [2**31 - 1, 12345], [0, 0]]


@pytest.mark.parametrize("num", [1, 2, 4, 5, 9])
def test_the_words_of_many_seeds_are_those_of_tensorflow_for_each(num):
    each = [
        tf.random.stateless_uniform([num], seed, None, None, tf.int32, alg="philox")
        for seed in SEEDS
    ]
    np.testing.assert_array_equal(philox.words(tf.constant(SEEDS), num), each)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_with_one_seed_a_row_a_row_is_the_first_that_its_seed_draws(jit_compile):
    def draw(seed, rows):
        first, second = noise.split(noise.stream(noise.fold(seed, 5), "word"), 2)
        return noise.normal(first, [rows, 7, 2]), noise.uniform(second, [rows, 3])

    together = tf.function(draw, jit_compile=jit_compile)(tf.constant(SEEDS), len(SEEDS))
    for row, seed in enumerate(SEEDS):
        for many, alone in zip(together, draw(seed, 1), strict=True):
            np.testing.assert_allclose(many[row], alone[0], atol=2e-6)


def test_components_are_independent():
    x = noise.normal(noise.make_seed(1), [20000, 6]).numpy()
    for y in (x, x**2):
        correlation = np.corrcoef(y.T) - np.eye(6)
        assert np.abs(correlation).max() < 5 / np.sqrt(20000)


def test_the_noise_of_an_example_does_not_depend_on_the_batch_size():
    seed = noise.make_seed(5)
    few, many = noise.normal(seed, [3, 4, 5]), noise.normal(seed, [9, 4, 5])
    np.testing.assert_allclose(
        few, many[:3], atol=1e-6
    )  # vectorised cosines round differently by place


def test_replicas_share_the_noise_of_the_global_batch(two_replicas):
    seed = noise.make_seed(2)

    @tf.function
    def draw():
        return two_replicas.run(lambda: noise.normal(seed, [4, 3]))

    both = tf.concat(two_replicas.experimental_local_results(draw()), 0)
    np.testing.assert_allclose(both, noise.normal(seed, [8, 3]), atol=1e-6)


def test_seeds_differ_by_purpose_and_by_layer():
    seed = noise.make_seed(0)
    seeds = [noise.fold(seed, k).numpy().tolist() for k in range(100)]
    seeds += [noise.stream(seed, word).numpy().tolist() for word in ("train", "data", "évaluer")]
    assert len({tuple(s) for s in seeds}) == 103
    a, b = nest.normal_like([tf.zeros([5, 3]), tf.zeros([5, 3])], seed)
    assert np.abs(a - b).min() > 1e-4


def test_squared_norm_has_the_hand_computed_value():
    latents = [tf.constant([[1.0, 2.0]]), tf.constant([[3.0]])]
    assert nest.squared_norm(latents).numpy().tolist() == [14.0]


def test_shared_normal_is_the_same_on_every_replica(two_replicas):
    seed = noise.make_seed(2)

    @tf.function
    def draw():
        return two_replicas.run(
            lambda: (noise.shared_normal(seed, [4, 3, 5]), noise.normal(seed, [4, 3, 5]))
        )

    shared, own = (two_replicas.experimental_local_results(x) for x in draw())
    for x in shared:
        np.testing.assert_allclose(x, noise.normal(seed, [4, 3, 5]), atol=1e-6)
    assert np.abs(own[0] - own[1]).min() > 1e-4  # `normal` differs between replicas
    np.testing.assert_array_equal(noise.shared_normal(seed, [4, 3]), noise.normal(seed, [4, 3]))


def test_shared_normal_is_standard_normal():
    x = noise.shared_normal(noise.make_seed(4), [50000, 3]).numpy().ravel()
    assert stats.kstest(x, "norm").pvalue > 1e-4
    assert stats.kstest(1.03 * x, "norm").pvalue < 1e-4  # power
