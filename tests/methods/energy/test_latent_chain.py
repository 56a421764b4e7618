"""Tests of LatentChain: distributions of z and x, by closed forms and quadrature."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.integrate import quad

from tf_shortrun.core import nest, noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.energy.latent_chain import LatentChain

SEED = noise.make_seed(7)
TARGETS = ("paper", "prior", "ddls")


def quadratic(x):
    return 0.5 * tf.reduce_sum(x**2, axis=-1)


def flat(x):
    return 0.0 * x[:, 0]


def doubled(z):
    return 2.0 * z


def draws(num, width=1, seed=1):
    return noise.normal(noise.make_seed(seed), [num, width])


def errors(samples, mean):
    """Returns the error of the mean of `samples`, in standard errors."""
    samples = np.asarray(samples, np.float64)
    return abs(np.mean(samples) - mean) / (np.std(samples) / np.sqrt(len(samples)))


# The potential at single points


def test_the_three_potentials_of_a_curved_surface():
    """G(z) = (z_1, z_2, z_1 z_2) has det J^T J = 1 + |z|^2."""

    def saddle(z):
        return tf.concat([z, z[:, :1] * z[:, 1:]], axis=-1)

    z = np.array([[0.5, -2.0], [1.0, 0.0], [-1.5, 0.3]], np.float32)
    squares = np.sum(z**2, axis=-1)
    energy = 0.5 * (squares + (z[:, 0] * z[:, 1]) ** 2)
    volume = 0.5 * np.log(1 + squares)
    expected = {
        "paper": 0.2 * energy,
        "prior": 0.2 * energy + squares / 2,
        "ddls": 0.2 * (energy - volume) + 0.8 * squares / 2,
    }
    for target in TARGETS:
        chain = LatentChain(target, 1, 0.1, 0.2)
        found = chain.potential(quadratic, saddle, tf.constant(z))
        np.testing.assert_allclose(found, expected[target], rtol=1e-5)


def test_the_volume_of_an_image_uses_all_its_pixels():
    """Every pixel of a 2 x 2 image is 3 z, so J^T J = 4 * 9."""

    def decode(z):
        return tf.ones([1, 2, 2, 1]) * 3.0 * z[:, :, None, None]

    def energy(x):
        return tf.reduce_sum(x, axis=[1, 2, 3])

    found = LatentChain("ddls", 1, 0.1, 1.0).potential(energy, decode, tf.constant([[0.5]]))
    assert found.numpy() == pytest.approx(6.0 - 0.5 * np.log(36))


@pytest.mark.parametrize(
    ("target", "energy"), [("paper", quadratic), ("prior", flat), ("ddls", quadratic)]
)
def test_acceptance_equals_its_value_by_hand(target, energy, monkeypatch):
    """U = z^2 / 2, s = 0.1: log r = -0.01875 from 0.5 to 1, and +0.01875 from 1 to 0.5."""
    start, end, drift = np.array([[0.5], [1.0]]), np.array([[1.0], [0.5]]), 0.1
    xi = tf.constant((end - start + drift * start) / np.sqrt(2 * drift), tf.float32)
    monkeypatch.setattr(nest, "normal_like", lambda latents, seed: [xi])
    chain = LatentChain(target, 1, drift, 1.0)
    walk = chain(energy, tf.identity, tf.constant(start, tf.float32), SEED)
    np.testing.assert_allclose(walk.acceptance, [[np.exp(-0.01875), 1.0]], atol=1e-6)
    np.testing.assert_allclose(walk.states[0], start)
    assert walk.states[1, 1].numpy() == pytest.approx(0.5)


# The distribution after long chains


@pytest.mark.parametrize(
    ("target", "beta", "precision"),
    [("paper", 1.0, 4.0), ("prior", 1.0, 5.0), ("ddls", 1.0, 4.0)]
    + [("paper", 0.5, 2.0), ("prior", 0.5, 3.0), ("ddls", 0.5, 2.5)],
)
def test_the_precision_of_a_linear_generator_is_exact(target, beta, precision):
    """G(z) = 2 z has precision 4 beta; `prior` adds 1, `ddls` adds 1 - beta."""
    walk = LatentChain(target, 30, 0.15, beta)(quadratic, doubled, draws(8000), SEED)
    squares = np.square(walk.states[-1])
    assert errors(squares, 1 / precision) < 4
    assert errors(squares, 1 / (precision + 0.5)) > 6


def density(target, beta):
    """Returns p(x) of x = sinh(z), E = (x - 1)^2 / 2, up to a constant.

    The change of variables has dz / dx = (1 + x^2)^-1/2.
    """

    def value(x):
        energy, prior, log_volume = 0.5 * (x - 1) ** 2, 0.5 * np.arcsinh(x) ** 2, np.log1p(x**2) / 2
        exponent = {
            "paper": beta * energy + log_volume,
            "prior": beta * energy + prior + log_volume,
            "ddls": beta * energy + (1 - beta) * (prior + log_volume),
        }
        return np.exp(-exponent[target])

    return value


def moments(distribution):
    """Returns the means of x and of x^2."""
    total, *others = (
        quad(lambda x, n=n: x**n * distribution(x), -12, 14, limit=200)[0] for n in range(3)
    )
    return [other / total for other in others]


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_a_nonlinear_generator_has_the_density_of_its_target(beta):
    """By quadrature. Only `ddls` has the density p_G^(1 - beta) exp(-beta E)."""
    means = {target: moments(density(target, beta)) for target in TARGETS}
    if beta == 1.0:
        assert means["ddls"] == pytest.approx([1.0, 2.0])  # exp(-E) itself
    for target in TARGETS:
        chain = LatentChain(target, 80, 0.1, beta)
        # At large |z|, E(sinh z) is steep and moves of this size are rejected: start near 0.
        x = np.sinh(chain(shifted, tf.sinh, 0.5 * draws(6000), SEED).states[-1])
        assert errors(x, means[target][0]) < 4 and errors(x**2, means[target][1]) < 4
        for other in {*TARGETS} - {target}:
            assert max(errors(x, means[other][0]), errors(x**2, means[other][1])) > 8


def shifted(x):
    return quadratic(x - 1.0)


def test_a_constant_energy_leaves_the_prior_invariant():
    for target, beta in (("prior", 1.0), ("ddls", 1e-6)):
        walk = LatentChain(target, 100, 0.1, beta)(flat, tf.identity, draws(4000, 2), SEED)
        squares = tf.reduce_mean(walk.states[-1] ** 2, axis=-1)
        assert errors(squares, 1.0) < 4
        assert np.mean(walk.acceptance) > 0.95
        assert np.corrcoef(walk.states[0, :, 0], walk.states[-1, :, 0])[0, 1] < 0.1
    walk = LatentChain("paper", 100, 0.1, 1.0)(flat, tf.identity, draws(4000, 2), SEED)
    diffused = 1 + 2 * 0.1 * 100  # without energy and prior
    assert errors(tf.reduce_mean(walk.states[-1] ** 2, axis=-1), diffused) < 4


def test_no_chain_enters_a_region_where_the_jacobian_loses_rank():
    """With G = relu the density of `ddls` is 0 for z < 0, and half normal for z > 0."""
    start = tf.concat([tf.fill([2000, 1], 0.1), tf.fill([9, 1], -0.5)], axis=0)
    walk = LatentChain("ddls", 60, 0.15, 1.0)(quadratic, tf.nn.relu, start, SEED)
    assert np.all(walk.states[:, :2000] > 0)
    assert errors(walk.states[-1, :2000, 0] ** 2, 1.0) < 4
    assert np.isfinite(walk.states).all()
    free = LatentChain("prior", 60, 0.15, 1.0)(quadratic, tf.nn.relu, start, SEED)
    assert 0.3 < np.mean(free.states[-1] < 0) < 0.7


# Execution


def test_compiled_and_eager_chains_agree_and_return_every_state():
    chain, start = LatentChain("ddls", 6, 0.3, 0.7), draws(50, 2)
    eager = chain(quadratic, tf.sinh, start, SEED)

    @tf.function(jit_compile=True)
    def compiled(latents, seed):
        return chain(quadratic, tf.sinh, latents, seed)

    for one, other in zip(eager, compiled(start, SEED), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    assert eager.states.shape == (7, 50, 2) and eager.acceptance.shape == (6, 50)
    shorter = LatentChain("ddls", 2, 0.3, 0.7)(quadratic, tf.sinh, start, SEED)
    np.testing.assert_allclose(eager.states[:3], shorter.states, rtol=1e-5, atol=1e-6)
    moved = np.any(eager.states[1:] != eager.states[:-1], axis=-1)
    assert 0.2 < np.mean(moved) < 1.0
    other = chain(quadratic, tf.sinh, start, noise.make_seed(8))
    assert np.abs(other.states[-1] - eager.states[-1]).max() > 0.1


def test_two_replicas_run_the_same_chains_as_one(two_replicas):
    chain, start = LatentChain("ddls", 4, 0.2, 1.0), draws(6, 2)
    whole = chain(shifted, tf.sinh, start, SEED).states

    @tf.function
    def each(latents):
        return two_replicas.run(lambda z: chain(shifted, tf.sinh, z, SEED).states, [latents])

    parts = two_replicas.experimental_distribute_values_from_function(
        lambda context: tf.split(start, 2)[context.replica_id_in_sync_group]
    )
    halves = two_replicas.experimental_local_results(each(parts))
    np.testing.assert_allclose(tf.concat(halves, axis=1), whole, rtol=1e-5, atol=1e-6)


# Names and errors


def test_name_and_description_contain_the_settings():
    chain = LatentChain("ddls", 5, 0.01, 0.2)
    assert chain.name == "ddls+5"
    for word in ("5 Metropolis-adjusted", "size 0.01", "det(J^T J)", "b = 0.2"):
        assert word in chain.description


@pytest.mark.parametrize(
    "arguments",
    [("paper", 0, 0.1, 1.0), ("paper", 1, 0.0, 1.0), ("paper", 1, float("nan"), 1.0)]
    + [("prior", 1, 0.1, 0.0), ("prior", 1, 0.1, float("nan")), ("posterior", 1, 0.1, 1.0)],
)
def test_bad_settings_are_refused_in_one_line(arguments):
    with pytest.raises(InputError, match="choose") as error:
        LatentChain(*arguments)
    assert "\n" not in str(error.value)


def test_ddls_refuses_more_latents_than_outputs():
    def first(z):
        return z[:, :1]

    assert LatentChain("prior", 1, 0.1, 1.0)(quadratic, first, draws(3, 2), SEED)
    with pytest.raises(InputError, match="2 latents make 1 numbers") as error:
        LatentChain("ddls", 1, 0.1, 1.0)(quadratic, first, draws(3, 2), SEED)
    assert "\n" not in str(error.value)
