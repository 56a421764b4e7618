"""Tests of curvature along chains and of what keeps steps stable, against closed forms."""

from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf

import linear_gaussian
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.kernels import langevin
from tf_shortrun.methods.latent import volume
from tf_shortrun.methods.latent.curvature import largest, median
from tf_shortrun.methods.latent.curvature_cap import CurvatureCap
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.step_sharpness import StepSharpness
from tf_shortrun.methods.latent.step_size import Descent
from tools import step_sizes as toy

SEED = noise.make_seed(0)
LARGEST = toy.PRECISIONS.max()


def batch(model, num=4):
    latents = model.sample_latents(num, SEED)
    return {"image": model(latents)}


def test_the_largest_curvature_of_a_gaussian_is_its_largest_precision():
    model = toy.make_model()
    few = batch(model)
    values = largest(
        model.log_joint_of(few), model.sample_latents(4, SEED), [0.01], SEED, num_rounds=60
    )
    np.testing.assert_allclose(values, 0.01 * LARGEST, rtol=1e-3)


def test_few_rounds_are_below_the_largest_curvature_and_one_is_not_enough():
    model = toy.make_model()
    few, start = batch(model, 100), model.sample_latents(100, SEED)
    one, twelve = (
        np.asarray(largest(model.log_joint_of(few), start, [1.0], SEED, num_rounds=n))
        for n in (1, 12)
    )
    assert one.max() < LARGEST * 0.99 and twelve.max() < LARGEST * 1.0001
    assert one.mean() < 0.7 * LARGEST and twelve.mean() > 0.95 * LARGEST


def test_the_sizes_of_layers_enter_as_the_symmetric_product():
    """Two layers with sizes s_1, s_2: the value is that of S^1/2 H S^1/2 by numpy."""
    keras.utils.set_random_seed(0)
    join, hidden, out = (
        keras.layers.Concatenate(),
        keras.layers.Dense(16, "gelu"),
        keras.layers.Dense(6),
    )
    inputs = [keras.Input([2]), keras.Input([3])]
    model = Decoder(keras.Model(inputs, out(hidden(join(inputs)))), [2, 3], sigma=0.2)
    x, latents, sizes = tf.ones([2, 6]), model.sample_latents(2, SEED), [0.5, 0.02]
    values = largest(model.log_joint_of({"image": x}), latents, sizes, SEED, num_rounds=200)

    hessians = volume._negative_hessian(lambda z: model.log_joint(z, x), latents).numpy()
    root = np.sqrt(np.repeat(sizes, [2, 3]))
    eigenvalues = np.linalg.eigvalsh(root[:, None] * hessians * root)
    expected = [row[np.argmax(np.abs(row))] for row in eigenvalues]
    np.testing.assert_allclose(values, expected, rtol=1e-3)


def test_a_chain_is_watched_at_its_start_middle_and_end_with_the_sizes_there():
    model = toy.make_model()
    sizes = [[0.01], [0.02], [0.04], [0.05]]
    seen = ShortRun(4, sizes).watch(model, batch(model, 10), SEED)
    for place, size in (("start", 0.01), ("middle", 0.04), ("end", 0.05)):
        np.testing.assert_allclose(seen[f"step_sharpness/{place}"], size * LARGEST, rtol=0.1)
    assert seen["step_sharpness/worst"] >= seen["step_sharpness/end"]


def test_the_median_of_an_even_number_is_between_the_middle_two():
    assert float(median(tf.constant([4.0, 1.0, 3.0, 100.0]))) == 3.5
    assert float(median(tf.constant([4.0, 1.0, 3.0]))) == 3.0


@pytest.mark.parametrize(("limit", "size"), [(1.0, 1.0 / LARGEST), (1e6, 0.1)])
def test_a_cap_gives_the_smaller_of_step_size_and_limit_by_curvature(limit, size):
    model, rule = toy.make_model(), CurvatureCap(0.1, limit, num_images=8)
    inference = ShortRun(5, rule)
    inference.build(model)
    np.testing.assert_allclose(inference.step_sizes(1), np.full([5, 1], 0.1))
    chosen = inference.adapt(model, batch(model, 16), SEED)
    np.testing.assert_allclose(chosen["step_sizes"], np.full([5, 1], size), rtol=0.1)
    np.testing.assert_array_equal(inference.step_sizes(1), chosen["step_sizes"])


class Saddle:
    """log p = (5 z_1^2 - 3 z_2^2) / 2: the eigenvalue of the largest size is negative."""

    latent_widths: ClassVar = [1, 1]

    def sample_latents(self, num, seed):
        return [noise.normal(seed, [num, 1]) for _ in range(2)]

    def start_of(self, batch, seed):
        return self.sample_latents(tf.shape(batch["image"])[0], seed)

    def log_joint_of(self, batch):
        del batch
        return lambda z: 0.5 * (5 * z[0] ** 2 - 3 * z[1] ** 2)[:, 0]


def test_a_negative_curvature_caps_steps_too():
    model, rule = Saddle(), CurvatureCap(0.5, 1.0, num_images=8)
    inference = ShortRun(3, rule)
    inference.build(model)
    chosen = inference.adapt(model, {"image": tf.zeros([8, 1])}, SEED)
    np.testing.assert_allclose(chosen["step_sizes"], np.full([3, 2], 1 / 5), rtol=0.02)


@pytest.mark.parametrize(("per_step", "limit", "factor"), [(True, 1.0, 1), (False, 0.5, 0.5)])
def test_a_learned_size_stays_where_steps_are_stable(per_step, limit, factor):
    """The objective asks for large steps; without a limit they would grow by e^.5 each time."""

    def larger(inference, model, batch, step_sizes, seed):
        del inference, model, batch, seed
        return -tf.reduce_sum(tf.math.log(step_sizes))

    optimizer = keras.optimizers.SGD(0.5)
    rule = Descent(larger, 0.5 / LARGEST, per_step, False, optimizer, 8, limit)
    model, inference = toy.make_model(), ShortRun(4, rule)
    inference.build(model)
    for k in range(6):
        chosen = inference.adapt(model, batch(model, 16), noise.fold(SEED, k))
    np.testing.assert_allclose(chosen["step_sizes"], np.full([4, 1], factor / LARGEST), rtol=0.1)
    np.testing.assert_array_equal(inference.step_sizes(1), chosen["step_sizes"])


def test_a_cap_refuses_numbers_that_mean_nothing():
    with pytest.raises(InputError, match="positive"):
        CurvatureCap(0.1, 0.0, 8)
    with pytest.raises(InputError, match="limit is 0: choose a positive number, or None"):
        Descent(None, 0.1, True, True, keras.optimizers.SGD(0.1), 8, 0)


def test_a_long_drift_is_shortened_as_a_whole_and_a_short_one_is_kept():
    """(3, 4) and (0, 0): root mean square of four numbers is 2.5; the bound 1 divides by 2.5."""
    moves = [tf.constant([[3.0, 4.0], [0.3, 0.4]]), tf.zeros([2, 2])]
    long, short = langevin.shortened(moves, 1.0)[0].numpy()
    np.testing.assert_allclose(long, [1.2, 1.6], rtol=1e-6)
    np.testing.assert_allclose(short, [0.3, 0.4], rtol=1e-6)


def test_a_chain_that_runs_away_stays_with_a_bound_on_its_moves():
    model = toy.make_model()
    unstable, x = 3.0 / LARGEST, batch(model)
    free = ShortRun(40, unstable)(model, x, SEED).metrics["latent_norm"]
    bound = ShortRun(40, unstable, longest_move=0.3)(model, x, SEED).metrics["latent_norm"]
    assert free > 1e6 and bound < 10


def test_a_bound_has_no_density_and_must_be_positive():
    assert not hasattr(ShortRun(3, 0.1, longest_move=0.3), "log_weights")
    assert hasattr(ShortRun(3, 0.1), "log_weights")
    with pytest.raises(InputError, match="positive bound"):
        ShortRun(3, 0.1, longest_move=0.0)


class OfToy:
    """A learner of the toy that is watched by its chain."""

    model, inference = toy.make_model(), ShortRun(4, 0.01)

    def watch(self, batch, seed):
        return self.inference.watch(self.model, batch, seed)


def test_the_eval_has_the_sharpness_of_the_toy_and_needs_something_to_watch():
    data = linear_gaussian.dataset(20)
    numbers = StepSharpness()(OfToy(), data, SEED)
    assert numbers["step_sharpness/end"] == pytest.approx(0.01 * LARGEST, rel=0.1)
    assert (
        "8 (equally spaced) of 20 test images" in StepSharpness().protocol(data)["step_sharpness/*"]
    )
    with pytest.raises(InputError, match="leave StepSharpness out"):
        StepSharpness()(object(), data, SEED)
