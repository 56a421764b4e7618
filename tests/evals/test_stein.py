"""The kernel Stein discrepancy: by hand, for exact draws, and its power."""

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.evals.stein import stein_discrepancy

RNG = np.random.default_rng(0)


def test_by_hand_for_two_points():
    # Standard normal, s(x) = -x, x = 0 and 2, c = 4, r = 1: k = 2^(-1/2).
    # s(x) s(y) k = 0; s(0) grad_y k = 0; s(2) grad_x k at x = 0: -2 * (2 / 4) 2^(-3/2) = -2^(-3/2)
    # trace: 2^(-3/2) / 4 - 3 * 4 * 2^(-5/2) / 16 = 2^(-3/2) (1/4 - 3/8)
    across = 2**-1.5 * (-1 - 1 / 8)
    diagonal = np.mean([0 + 1 / 4, 4 + 1 / 4])
    x = np.array([[0.0], [2.0]])
    assert stein_discrepancy(x, -x) == pytest.approx(across / diagonal, rel=1e-12)


def test_the_derivatives_of_the_kernel_are_those_of_automatic_differentiation():
    x, y, score_x, score_y = RNG.normal(size=[4, 3])
    c = np.sum((x - y) ** 2)
    a, b = tf.Variable(x), tf.Variable(y)
    with tf.GradientTape(persistent=True) as outer:
        with tf.GradientTape(persistent=True) as inner:
            kernel = (1 + tf.reduce_sum((a - b) ** 2) / c) ** -0.5
        by_a, by_b = inner.gradient(kernel, [a, b])
    trace = tf.linalg.trace(outer.jacobian(by_a, b))
    u = score_x @ score_y * kernel + score_x @ by_b.numpy() + score_y @ by_a.numpy() + trace
    diagonal = np.mean([score_x @ score_x, score_y @ score_y]) + 3 / c
    found = stein_discrepancy(np.stack([x, y]), np.stack([score_x, score_y]))
    assert found == pytest.approx(float(u) / diagonal, rel=1e-9)


def repeated(draw, score, num=40):
    found = [stein_discrepancy(x := draw(), score(x)) for _ in range(num)]
    return np.mean(found), np.std(found) / np.sqrt(num)


def normal(mean=0.0, std=1.0):
    return lambda: mean + std * RNG.normal(size=[50, 4])


def test_exact_draws_have_none():
    mean, error = repeated(normal(1.0, 0.2), lambda x: (1.0 - x) / 0.04)
    assert abs(mean) < 4 * error


@pytest.mark.parametrize("draw", [normal(0.3), normal(0, 1.5), normal(0, 0.7)])
def test_draws_with_a_wrong_mean_or_width_are_found(draw):
    mean, error = repeated(draw, lambda x: -x)
    assert mean > 5 * error


def test_one_point_has_the_value_one():
    x = np.ones([5, 3])
    assert stein_discrepancy(x, -x) == pytest.approx(1.0)


def test_units_do_not_matter():
    x = RNG.normal(size=[20, 3]) + 0.5
    assert stein_discrepancy(x, -x) == pytest.approx(stein_discrepancy(x / 9, -x * 9), rel=1e-9)
