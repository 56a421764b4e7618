"""Networks of images: shapes, parameter counts by hand, and independence of examples."""

import keras
import numpy as np
import pytest

from tf_shortrun.core.errors import InputError
from tf_shortrun.networks.image import channels_of, growing, paired, sides_to, strided

MNIST_SIDES, MNIST_UP, MNIST_DOWN = (2, 4, 7, 14, 28), (512, 256, 128, 64), (64, 128, 256, 512)


def leaky(slope=0.2):
    return keras.layers.LeakyReLU(slope)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def num_parameters(network, *shape):
    network(np.zeros([1, *shape], np.float32))
    return network.count_params()


def test_the_energies_have_the_published_numbers_of_parameters():
    mnist = 64 * 25 + 64 + 64 * 128 * 25 + 128 + 128 * 256 * 25 + 256 + 256 * 512 * 25 + 512
    assert num_parameters(strided(MNIST_DOWN, 5, 1, leaky()), 28, 28, 1) == mnist + 2048 + 1
    stacked = mnist + 2 * 64 * 25
    assert num_parameters(strided(MNIST_DOWN, 5, 1, leaky()), 28, 28, 3) == stacked + 2048 + 1
    # kernels of areas 9 and 16 alternate, then a dense layer from 4 x 4 x 512 to one number
    widths = [3, 64, 64, 128, 128, 256, 256, 512]
    pairs = zip(widths[:-1], widths[1:], [9, 16, 9, 16, 9, 16, 9], strict=True)
    cifar = sum(a * b * area + b for a, b, area in pairs)
    network = paired(MNIST_DOWN, 1, leaky(0.1))
    assert num_parameters(network, 32, 32, 3) == cifar + 8192 + 1 == 2_935_873
    celeba = cifar + 512 * 512 * 16 + 512 + 512 * 512 * 9 + 512
    network = paired((*MNIST_DOWN, 512), 1, leaky(0.1))
    assert num_parameters(network, 64, 64, 3) == celeba + 8192 + 1


def test_the_generators_have_the_published_shapes():
    normalised = 2 * (512 + 256 + 128 + 64)
    kernels = 25 * (512 * 256 + 256 * 128 + 128 * 64 + 64) + 256 + 128 + 64 + 1
    mnist = growing(MNIST_SIDES, MNIST_UP, 5, 1, activate_start=True)
    assert mnist(normal(2, 128)).shape == (2, 28, 28, 1)
    assert mnist.count_params() == 129 * 2048 + kernels + normalised
    assert [layer.output.shape[1] for layer in mnist.layers[1:]].count(7) == 3

    cifar = growing((4, 8, 16, 32, 32), MNIST_UP, 4, 3, activate_start=False)
    assert cifar(normal(2, 128)).shape == (2, 32, 32, 3)
    kernels = 16 * (512 * 256 + 256 * 128 + 128 * 64) + 9 * 64 * 3 + 256 + 128 + 64 + 3
    assert cifar.count_params() == 129 * 8192 + kernels + normalised - 2 * 512

    celeba = growing((4, 8, 16, 32, 64, 64), (512, *MNIST_UP), 4, 3, activate_start=False)
    assert celeba(normal(1, 128)).shape == (1, 64, 64, 3)


@pytest.mark.parametrize("shape", [(16, 16, 1), (18, 45, 3), (31, 17, 1), (48, 64, 3)])
def test_a_generator_grows_to_images_of_any_size(shape):
    sides = sides_to(shape, 3)
    assert sides[-1] == shape[:2] and sides[0] == (-(-shape[0] // 8), -(-shape[1] // 8))
    network = growing(sides, (8, 8, 8), 5, channels_of(shape), activate_start=True)
    assert network(normal(2, 4)).shape == (2, *shape)


def test_sides_that_do_not_follow_are_refused():
    for sides, kernel in (((3, 5), 4), ((3, 7), 5), (((3, 4), (6, 4)), 5), (((3, 4), (5, 8)), 4)):
        with pytest.raises(InputError, match="grows to .* with an odd kernel"):
            growing(sides, (8,), kernel, 1, activate_start=True)


def test_the_start_of_a_generator_is_linear_if_it_is_not_activated():
    def is_linear(activate_start):
        network = growing((2, 4), (8,), 4, 1, activate_start)
        before = keras.Sequential(network.layers[:-1])  # without tanh
        z, other = normal(1, 3), normal(1, 3, seed=1)
        return np.allclose(before(z) + before(other), before(z + other), atol=1e-6)

    assert is_linear(False) and not is_linear(True)


def test_convolutions_start_small_and_images_are_bounded():
    network = growing((4, 8, 16), (64, 64), 4, 3, activate_start=True)
    images = np.asarray(network(100 * normal(8, 16)))
    assert 0 < np.abs(images).max() <= 1
    for kernel in [w for w in network.weights if w.name == "kernel" and len(w.shape) == 4]:
        assert np.std(kernel) == pytest.approx(0.02, rel=0.1)
    for layer in paired((32, 64), 1, "relu").layers[:-2]:
        layer.build((None, 8, 8, 32))
        assert np.std(layer.kernel) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (lambda: growing((2, 4, 7), (16, 16), 5, 1, activate_start=True), (9,)),
        (lambda: strided((8, 16), 5, 3, leaky()), (7, 7, 2)),
        (lambda: paired((8, 16), 3, leaky()), (8, 8, 2)),
    ],
)
def test_an_example_does_not_depend_on_its_neighbours(network, shape):
    network, x = network(), normal(6, *shape)
    # In training mode, where batch statistics would have an effect.
    together, changed = (
        network(images, training=True) for images in (x, np.concatenate([x[:1], 100 * x[1:]]))
    )
    np.testing.assert_allclose(changed[0], together[0], rtol=1e-5, atol=1e-7)
    assert np.abs(np.asarray(changed)[1:] - np.asarray(together)[1:]).max() > 1e-4


def test_levels_halve_or_keep_the_side():
    assert strided((8, 8, 8), 5, 4, "relu")(normal(1, 28, 28, 1)).shape == (1, 4)
    sides = [layer.output.shape[1] for layer in _built(paired((8, 8, 8), 1, "relu"), 12, 12, 1)]
    assert sides == [12, 6, 6, 3, 3]


def _built(network, *shape):
    network(np.zeros([1, *shape], np.float32))
    return network.layers[:-2]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: growing((2, 4, 9), (8, 8), 5, 1, True), ("(2, 4, 9)", "8, to 7")),
        (lambda: growing((4, 7), (8,), 4, 1, True), ("(4, 7)", "odd kernel")),
        (lambda: growing((2, 4), (8, 8), 5, 1, True), ("sides", "channels")),
        (lambda: growing((2, 4), (12,), 5, 1, True), ("(12,)", "multiples of 8")),
        (lambda: strided((), 5, 1, "relu"), ("channels",)),
        (lambda: paired((), 1, "relu"), ("channels",)),
    ],
)
def test_bad_arguments_raise_a_one_line_error(make, words):
    with pytest.raises(InputError) as error:
        make()
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in words), message
