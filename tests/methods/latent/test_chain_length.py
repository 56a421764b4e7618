"""Tests of ChainLength, on a learner whose chain is known at every length."""

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.methods.latent.chain_length import ChainLength

SEED = noise.make_seed(7)
TIMES = (0.5, 1, 2.0, 4)


def toy(num_test=7) -> Dataset:
    def split(num, seed):
        images = np.random.default_rng(seed).uniform(-1, 1, [num, 2, 2, 1]).astype("f4")
        return Split(images, np.full(num, -1, np.int32))

    return Dataset("toy", split(5, 1), split(num_test, 2))


class Halving:
    """Latents of widths 3 and 1. The error is index + noise_scale, halved for each K steps."""

    traces = 0

    def sample_latents(self, num, seed):
        raise NotImplementedError

    def infer(self, batch, seed):
        raise NotImplementedError

    def infer_by_chain(self, batch, seed, times, noise_scale=None):
        self.traces += 1
        scale = 1.0 if noise_scale is None else noise_scale
        error = (tf.cast(batch["index"], tf.float32) + scale) * 0.5**times
        image = tf.reshape(batch["image"], [-1, 4]) + error[:, None]
        return tf.split(image, [3, 1], axis=-1)

    def decode(self, latents):
        return tf.reshape(tf.concat(latents, -1), [-1, 2, 2, 1])


def expected(images, noise_scale, times):
    """Returns (mse, latent norm) by hand: all four components have the same error."""
    error = (np.arange(len(images)) + noise_scale) * 0.5**times
    latents = images.reshape(-1, 4) + error[:, None]
    return np.mean(error**2), np.mean(np.sum(latents**2, axis=1)) / 4


def test_both_metrics_at_every_length_equal_values_by_hand():
    data = toy()
    metrics = ChainLength(TIMES, num_images=7, batch_size=3)(Halving(), data, SEED)  # 3, 3 and 1
    by_hand = {}
    for kind, scale in (("", 1.0), ("_noiseless", 0.0)):
        for times, name in zip(TIMES, ("0.5K", "1K", "2K", "4K"), strict=True):
            mse, norm = expected(data.test.images, scale, times)
            by_hand |= {f"chain_mse{kind}@{name}": mse, f"latent_norm{kind}@{name}": norm}
    assert metrics == pytest.approx(by_hand, rel=1e-5)
    assert len(set(by_hand.values())) == 16  # all settings have different values


def test_num_images_selects_some_images_or_at_most_all():
    data = toy()
    few, all_of_them = (ChainLength((1,), num, batch_size=3) for num in (4, 99))
    _, norm = expected(data.test.images[::2], 1.0, 1)  # the index counts the selected images
    assert few(Halving(), data, SEED)["latent_norm@1K"] == pytest.approx(norm)
    assert "4 (equally spaced) of 7 test images of toy" in few.protocol(data)["latent_norm@1K"]
    mse, _ = expected(data.test.images, 1.0, 1)
    assert all_of_them(Halving(), data, SEED)["chain_mse@1K"] == pytest.approx(mse)


def test_every_metric_has_its_own_protocol_sentence():
    evaluate = ChainLength(TIMES, num_images=4, batch_size=3)
    protocol = evaluate.protocol(toy())
    assert protocol.keys() == evaluate(Halving(), toy(), SEED).keys()
    assert len(set(protocol.values())) == len(protocol)
    assert "0.5 x as long as in training, without noise" in protocol["chain_mse_noiseless@0.5K"]
    assert "with the noise of training" in protocol["chain_mse@0.5K"]
    assert explain(evaluate, dict.fromkeys(protocol, 0.0), toy()).keys() == protocol.keys()


def test_each_setting_is_traced_once():
    learner = Halving()
    ChainLength(TIMES, num_images=7, batch_size=3)(learner, toy(), SEED)
    assert learner.traces == 8


class Shell(Halving):
    """Latents are prior draws times the length of the chain: norm 1 at K steps."""

    def infer_by_chain(self, batch, seed, times, noise_scale=None):
        num = tf.shape(batch["image"])[0]
        return [times * noise.normal(noise.fold(seed, l), [num, d]) for l, d in enumerate((3, 1))]


def test_prior_draws_have_norm_one_and_all_settings_the_same_noise():
    evaluate = ChainLength((1, 2), num_images=5000, batch_size=1500)
    metrics = evaluate(Shell(), toy(5000), SEED)
    error = np.sqrt(2 / (4 * 5000))  # standard error of the mean of 20,000 squares of N(0, 1)
    assert metrics["latent_norm@1K"] == pytest.approx(1, abs=4 * error)
    assert metrics["latent_norm@2K"] == pytest.approx(4 * metrics["latent_norm@1K"])
    assert metrics["latent_norm_noiseless@1K"] == metrics["latent_norm@1K"]


def test_each_batch_has_its_own_noise_from_the_seed():
    def run(seed):
        return ChainLength((1,), num_images=7, batch_size=3)(Shell(), toy(), seed)["latent_norm@1K"]

    squares = 0.0
    for b, num in enumerate((3, 3, 1)):
        batch_seed = noise.fold(SEED, b)
        draws = [noise.normal(noise.fold(batch_seed, l), [num, d]) for l, d in enumerate((3, 1))]
        squares += sum(np.sum(z.numpy() ** 2) for z in draws)
    assert run(SEED) == pytest.approx(squares / (7 * 4), rel=1e-5)
    assert run(SEED) != run(noise.make_seed(8))


def test_observations_may_be_points():
    class Points(Halving):
        def decode(self, latents):
            return tf.concat(latents, -1)

    split = Split(np.zeros([3, 4], np.float32), np.full(3, -1, np.int32))
    metrics = ChainLength((1,), 3, 2)(Points(), Dataset("dots", split, split), SEED)
    assert metrics["chain_mse@1K"] == pytest.approx((0.5**2 + 1 + 1.5**2) / 3)


class Silent:
    def sample(self, num, seed):
        return tf.zeros([num, 2, 2, 1])


def test_errors_are_one_line():
    with pytest.raises(InputError, match="Silent is not a learner that infers by a chain") as error:
        ChainLength(TIMES, 3, 3)(Silent(), toy(), SEED)
    assert "\n" not in str(error.value)
    for bad in ((0,), 3, 3), ((-1.0,), 3, 3), ((1,), 0, 3), ((1,), 3, 0):
        with pytest.raises(InputError, match="ChainLength has times") as error:
            ChainLength(*bad)
        assert "\n" not in str(error.value)
