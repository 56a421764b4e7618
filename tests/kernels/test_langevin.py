"""The loop and the Langevin kernel, compared with closed forms for a Gaussian target."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.kernels import langevin
from tf_shortrun.kernels.unroll import unroll

PRECISION, MEAN = np.array([1.0, 5.0]), np.array([0.5, -1.0])


def log_prob(latents):
    (z,) = latents
    return -0.5 * tf.reduce_sum(PRECISION.astype("f4") * (z - MEAN.astype("f4")) ** 2, -1)


def run(step_sizes, num=20000, noise_scale=1.0, seed=0, step=None):
    """Returns the ends of chains from N(0, I), [num, 2], and their infos."""
    start = [noise.normal(noise.make_seed(seed), [num, 2])]
    step = step or langevin.make_step(log_prob, noise_scale)
    controls = np.asarray(step_sizes, np.float32)[:, None]
    state, info = unroll(step, langevin.LangevinState(start), controls, noise.make_seed(seed + 1))
    return state.latents[0].numpy(), info


def distribution(step_size, num_steps):
    """Returns the exact mean and variance of z_K in each direction."""
    a = 1 - step_size * PRECISION
    mean = MEAN + a**num_steps * (0 - MEAN)
    variance = a ** (2 * num_steps) + 2 * step_size * (1 - a ** (2 * num_steps)) / (1 - a**2)
    return mean, variance


def z_scores(ends, step_size, num_steps):
    """Returns the largest error of the sample mean and variance, in standard errors."""
    mean, variance = distribution(step_size, num_steps)
    n = len(ends)
    of_mean = (ends.mean(0) - mean) / np.sqrt(variance / n)
    of_variance = (ends.var(0) - variance) / (variance * np.sqrt(2 / n))
    return np.abs([of_mean, of_variance]).max()


@pytest.mark.parametrize(("step_size", "num_steps"), [(0.1, 1), (0.05, 7), (0.3, 5)])
def test_k_steps_have_the_exact_distribution(step_size, num_steps):
    ends, _ = run([step_size] * num_steps)
    assert z_scores(ends, step_size, num_steps) < 4


@pytest.mark.parametrize("wrong", [0.9, 1.1, np.sqrt(0.5)])
def test_a_wrong_noise_factor_is_noticed(wrong):
    ends, _ = run([0.1] * 5, noise_scale=wrong)
    assert z_scores(ends, 0.1, 5) > 6


def test_a_wrong_drift_is_noticed():
    right = langevin.make_step(log_prob, 1.0)

    def half_drift(state, step_sizes, seed):
        moved, info = right(state, step_sizes, seed)
        _, gradients = langevin._value_and_gradients(log_prob, state.latents)
        return langevin.LangevinState([moved.latents[0] - 0.5 * step_sizes[0] * gradients[0]]), info

    ends, _ = run([0.1] * 5, step=half_drift)
    assert z_scores(ends, 0.1, 5) > 6


def test_without_noise_the_kernel_is_gradient_ascent():
    start = [tf.constant([[2.0, 2.0]])]
    step = langevin.make_step(log_prob, 0.0)
    state, _ = unroll(
        step, langevin.LangevinState(start), np.full((4, 1), 0.1, "f4"), noise.make_seed(0)
    )
    a = 1 - 0.1 * PRECISION
    np.testing.assert_allclose(state.latents[0][0], MEAN + a**4 * (2 - MEAN), rtol=1e-5)


def test_other_step_size_conventions_give_the_same_step():
    """s = c^2 / 2 (released code), h = 2 s (TensorFlow Probability): one step with equal noise."""
    z, seed, c = tf.constant([[0.3, -0.7]]), noise.make_seed(4), 0.05
    step = langevin.make_step(log_prob, 1.0)
    state, _ = step(langevin.LangevinState([z]), tf.constant([0.00125]), seed)
    xi = noise.normal(noise.fold(seed, 0), [1, 2])
    gradient = -PRECISION * (z.numpy() - MEAN)
    released = z + c**2 / 2 * gradient + c * xi.numpy()
    np.testing.assert_allclose(state.latents[0], released, rtol=1e-5)


def test_the_scalar_case_agrees_with_the_step_size_theory():
    """lambda = 5, K = 1, s = 0.1: KL(q || p) is 0.719535 with noise, 0.513428 without."""
    a, m = 0.5, 0.8
    variance = a**2 + 0.2
    kl = [0.5 * (5 * (a**2 * m + v) - 1 - np.log(5 * v)) for v in (variance, a**2)]
    np.testing.assert_allclose(kl, [0.719535, 0.513428], atol=1e-6)
    ends, _ = run([0.1], num=200000)  # the second direction has precision 5, mean -1
    assert ends[:, 1].var() == pytest.approx(variance, rel=0.02)


def test_layers_have_their_own_step_sizes():
    def two_layers(latents):
        return -0.5 * sum(tf.reduce_sum(z**2, -1) for z in latents)

    start = langevin.LangevinState([tf.ones([1, 2]), tf.ones([1, 3])])
    step = langevin.make_step(two_layers, 0.0)
    state, info = unroll(step, start, np.array([[0.1, 0.5], [0.2, 0.0]], "f4"), noise.make_seed(0))
    np.testing.assert_allclose(state.latents[0], 0.9 * 0.8 * np.ones((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(state.latents[1], 0.5 * np.ones((1, 3)), rtol=1e-6)
    np.testing.assert_allclose(info.log_prob[:, 0], [-2.5, -0.5 * (2 * 0.81 + 3 * 0.25)], rtol=1e-6)
    np.testing.assert_allclose(info.gradient_norm[0, 0], [np.sqrt(2), np.sqrt(3)], rtol=1e-6)


def test_examples_do_not_depend_on_each_other():
    few, many = run([0.1] * 3, num=3)[0], run([0.1] * 3, num=50)[0]
    np.testing.assert_allclose(few, many[:3], rtol=1e-5)


def test_eager_graph_and_xla_agree():
    def chain():
        start = [noise.normal(noise.make_seed(0), [16, 2])]
        step = langevin.make_step(log_prob, 1.0)
        controls = np.full((20, 1), 0.1, "f4")
        return unroll(step, langevin.LangevinState(start), controls, noise.make_seed(1))[0].latents[
            0
        ]

    eager = chain()
    np.testing.assert_allclose(eager, tf.function(chain)(), atol=1e-5)
    np.testing.assert_allclose(eager, tf.function(chain, jit_compile=True)(), atol=1e-5)


def test_unroll_equals_a_plain_loop_and_traces_the_step_once():
    traces = []

    def step(x, control, seed):
        traces.append(1)
        x = x * control["factor"] + tf.cast(seed[0] % 7, tf.float32)
        return x, {"seen": x}

    factors, seed = tf.constant([2.0, 3.0, 5.0]), noise.make_seed(9)
    last, infos = tf.function(lambda: unroll(step, tf.constant(1.0), {"factor": factors}, seed))()
    assert len(traces) == 1
    x, expected = 1.0, []
    for k in range(3):
        x = x * factors[k] + tf.cast(noise.fold(seed, k)[0] % 7, tf.float32)
        expected.append(float(x))
    assert float(last) == expected[-1]
    np.testing.assert_allclose(infos["seen"], expected)


def test_gradients_pass_through_the_chain():
    """Compares d z_K / d s of noiseless steps on a Gaussian with the closed form."""
    step = langevin.make_step(lambda z: -0.5 * tf.reduce_sum(3.0 * z[0] ** 2, -1), 0.0)
    size = tf.constant([[0.1]] * 4)
    with tf.GradientTape() as tape:
        tape.watch(size)
        state, _ = unroll(step, langevin.LangevinState([tf.ones([1, 1])]), size, noise.make_seed(0))
        end = state.latents[0][0, 0]
    np.testing.assert_allclose(tape.gradient(end, size)[:, 0], [-3 * 0.7**3] * 4, rtol=1e-5)


# Measures the peak of this process alone; ru_maxrss would include that of the parent process.
MEMORY = """
import tensorflow as tf
from tf_shortrun.core import noise
from tf_shortrun.kernels import langevin
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.core.usage import peak_memory_gib

weights = tf.random.stateless_normal([1024, 1024], [0, 0]) / 32.0

@tf.function
def chain(num_steps, keep):
    step = langevin.make_step(lambda z: -tf.reduce_sum(tf.tanh(z[0] @ weights) ** 2, -1), 1.0)
    start = langevin.LangevinState([tf.zeros([512, 1024])])
    sizes = tf.fill([num_steps, 1], 1e-3)
    with tf.GradientTape() as tape:
        tape.watch(sizes)
        end = unroll(step, start, sizes, noise.make_seed(0))[0].latents[0]
    return tape.gradient(end, sizes) if keep else end

for keep in (False, True):
    chain(tf.constant(20), keep)
    before = peak_memory_gib()
    chain(tf.constant(60), keep)
    print(1024 * (peak_memory_gib() - before))
"""


def test_memory_does_not_grow_with_the_number_of_steps():
    """With a gradient through the chain, memory grows; a separate process prints both in MiB.

    A wrong loop would keep at least one activation [512, 1024] of 2 MiB for each of the 40
    additional steps. The bound is half of that, to allow for rounding by the allocator.
    """
    script = [sys.executable, "-c", MEMORY]
    out = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    flat, kept = map(float, out.split())
    assert flat < 40 * 2 / 2
    assert kept > 40 * 2
