"""Tests of LayerProbes and LayerShares, on learners whose layers have known contents."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.methods.latent.layers import LayerProbes, LayerShares

SEED = noise.make_seed(7)
CLASSES, BLUR = 4, 0.05


def toy(num_train=1000, num_test=1000, labelled=True) -> Dataset:
    """Returns 2 x 2 images of random colour, sorted by class; both are independent."""

    def split(num, seed):
        rng = np.random.default_rng(seed)
        images = rng.uniform(-0.5, 0.5, [num, 1, 1, 3]) + rng.uniform(-0.2, 0.2, [num, 2, 2, 3])
        labels = np.arange(num) * CLASSES // num if labelled else np.full(num, -1)
        return Split(images.astype(np.float32), labels.astype(np.int32))

    return Dataset("toy", split(num_train, 1), split(num_test, 2))


class Organised:
    """Layer 3 holds noise, layer 2 the scaled mean colour plus noise, layer 1 the class."""

    traces = 0

    def sample_latents(self, num, seed):
        raise NotImplementedError

    def infer(self, batch, seed):
        self.traces += 1
        num = tf.shape(batch["image"])[0]
        nothing, blur, wobble = (
            noise.normal(noise.fold(seed, l), [num, d]) for l, d in enumerate((300, 3, CLASSES))
        )
        colour = tf.reduce_mean(batch["image"], axis=[1, 2]) + BLUR * blur
        return [nothing, 1e-4 * colour, 7 + tf.one_hot(batch["label"], CLASSES) + 0.1 * wobble]

    def decode(self, latents):
        raise NotImplementedError


def test_probes_find_the_content_of_each_layer():
    data = toy()
    learner = Organised()
    found = LayerProbes(num_train=600, num_test=1000, batch_size=300)(learner, data, SEED)
    chance = 4 * np.sqrt(0.25 * 0.75 / 1000)  # four standard errors
    for name, value in {"layer3": 0.25, "layer2": 0.25, "layer1": 1.0, "all": 1.0}.items():
        assert found[f"probe_accuracy/{name}"] == pytest.approx(value, abs=chance), name
    # The best linear prediction from c + blur: R^2 = var c / (var c + blur^2).
    signal = np.mean(np.var(data.test.images.mean(axis=(1, 2)), axis=0))
    ceiling = signal / (signal + BLUR**2)
    assert 0.9 < ceiling < 0.98
    # All 307 latents: least squares on n = 600 examples loses (1 - R^2) p / (n - p - 1).
    both = ceiling - (1 - ceiling) * 307 / (600 - 308)
    for name, value in {"layer3": 0.0, "layer2": ceiling, "layer1": 0.0, "all": both}.items():
        assert found[f"probe_colour_r2/{name}"] == pytest.approx(value, abs=0.02), name
    assert len(found) == 12
    assert learner.traces == 2  # once for training images, once for test images


def test_few_examples_include_every_class_of_a_sorted_split():
    found = LayerProbes(num_train=40, num_test=40, batch_size=300)(Organised(), toy(), SEED)
    assert found["probe_accuracy/layer1"] == 1.0


def test_colour_r2_is_averaged_over_channels():
    """A layer that holds red only explains one channel of three."""

    class Red(Organised):
        def infer(self, batch, seed):
            return [tf.reduce_mean(batch["image"], axis=[1, 2])[:, :1]]

    found = LayerProbes(1000, 1000, 300)(Red(), toy(labelled=False), SEED)
    assert found["probe_colour_r2/layer1"] == pytest.approx(1 / 3, abs=0.02)
    assert found["probe_colour_r2/all"] == found["probe_colour_r2/layer1"]


def test_brightness_explains_no_chroma():
    """The mean over channels explains a third of the colour variance, and none of the chroma."""

    class Bright(Organised):
        def infer(self, batch, seed):
            return [tf.reduce_mean(batch["image"], axis=[1, 2, 3])[:, None]]

    found = LayerProbes(1000, 1000, 300)(Bright(), toy(labelled=False), SEED)
    assert found["probe_colour_r2/all"] == pytest.approx(1 / 3, abs=0.02)
    assert found["probe_chroma_r2/all"] == pytest.approx(0, abs=0.02)


def test_data_of_one_class_have_no_accuracy():
    data = toy()
    data.train.labels[:] = 0
    found = LayerProbes(20, 30, 300)(Organised(), data, SEED)
    assert not [name for name in found if name.startswith("probe_accuracy")]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_grey_images_and_points_have_a_mean_colour(dtype):
    class Sees(Organised):
        def infer(self, batch, seed):
            image = batch["image"]
            return [tf.reduce_mean(image, axis=list(range(1, image.shape.rank - 1)))]

    shape = [200, 4, 4, 1] if dtype is np.uint8 else [200, 2]
    images = (np.random.default_rng(0).uniform(0, 1, shape) * np.iinfo(np.uint8).max).astype(dtype)
    images = images if dtype is np.uint8 else images / 255
    split = Split(images, np.full(200, -1, np.int32))
    found = LayerProbes(200, 200, 64)(Sees(), Dataset("grey", split, split), SEED)
    assert found.keys() == {"probe_colour_r2/layer1", "probe_colour_r2/all"}
    assert found["probe_colour_r2/all"] > 0.9999


def test_probes_are_reproducible_with_different_noise_for_training_and_test():
    class Blind(Organised):
        def infer(self, batch, seed):
            return [noise.normal(seed, [tf.shape(batch["image"])[0], 50])]

    data = toy(200, 200)
    data = dataclasses.replace(data, test=data.train)  # the same noise would give accuracy 1
    evaluate = LayerProbes(200, 200, 64)
    found = evaluate(Blind(), data, SEED)
    assert found == evaluate(Blind(), data, SEED) != evaluate(Blind(), data, noise.make_seed(8))
    assert found["probe_accuracy/layer1"] < 0.45


def test_protocol_and_metrics_cover_every_number():
    evaluate = LayerProbes(20, 30, 300)
    for labelled in (True, False):
        data = toy(labelled=labelled)
        found, protocol = evaluate(Organised(), data, SEED), evaluate.protocol(data)
        assert {f"{name.split('/')[0]}/*" for name in found} == set(protocol)
        assert explain(evaluate, found, data).keys() == found.keys()
    names = {"probe_colour_r2/*", "probe_chroma_r2/*", "probe_accuracy/*"}
    assert evaluate.protocol(toy()).keys() == names
    assert "20 training images" in protocol["probe_colour_r2/*"]
    assert "30 test images of toy" in protocol["probe_colour_r2/*"]
    assert set(LayerShares(5, 5).protocol(data)) == {"layer_share/*"}
    (share,) = explain(LayerShares(5, 5), {"layer_share/layer2": 0.5}, data).values()
    assert share == (0.5, "", LayerShares(5, 5).protocol(data)["layer_share/*"])


class Linear:
    """A decoder whose image [2, 2, 1] is the sum over layers of latents times a matrix."""

    def __init__(self, *matrices):
        self.matrices = [np.asarray(matrix, np.float32) for matrix in matrices]

    def sample_latents(self, num, seed):
        widths = [len(matrix) for matrix in self.matrices]
        return [noise.normal(noise.fold(seed, l), [num, d]) for l, d in enumerate(widths)]

    def infer(self, batch, seed):
        raise NotImplementedError

    def decode(self, latents):
        flat = sum(z @ matrix for z, matrix in zip(latents, self.matrices, strict=True))
        return tf.reshape(flat, [-1, 2, 2, 1])


MATRICES = ([[1, 1, 1, 1]], [[0, 2, 0, 0], [0, 0, 1, 0]], [[0, 0, 0, 0]])


def test_shares_of_a_linear_decoder_are_its_shares_of_variance():
    found = LayerShares(num=20000, batch_size=8000)(Linear(*MATRICES), toy(), SEED)
    # Variances sum_ij W_ij^2: 4, 5 and 0. Tolerance for a ratio of means of 20,000 values.
    assert found["layer_share/layer3"] == pytest.approx(4 / 9, abs=4 / np.sqrt(20000))
    assert found["layer_share/layer2"] == pytest.approx(5 / 9, abs=4 / np.sqrt(20000))
    assert found["layer_share/layer1"] == 0.0
    assert sum(found.values()) == pytest.approx(1, abs=4 / np.sqrt(20000))


def test_shares_of_interacting_layers_add_up_to_more_than_one():
    class Product(Linear):
        def decode(self, latents):
            return tf.reshape(latents[0] * latents[1], [-1, 1, 1, 1])

    found = LayerShares(20000, 8000)(Product([[1]], [[1]]), toy(), SEED)
    # E z_2^2 (z_1 - z_1')^2 = 2 = E (z_1 z_2 - z_1' z_2')^2
    assert list(found.values()) == pytest.approx([1, 1], abs=0.1)


def test_shares_use_exactly_num_pairs():
    learner, squares = Linear(*MATRICES), []
    for batch_seed in (noise.fold(SEED, b) for b in range(2)):
        kept, new = (learner.sample_latents(3, own) for own in noise.split(batch_seed, 2))
        change = [n - k for n, k in zip(new, kept, strict=True)]
        moves = [(c @ m).numpy() for c, m in zip(change, learner.matrices, strict=True)]
        squares.append([np.sum(x**2, axis=1) for x in [*moves, sum(moves)]])
    *parts, whole = np.concatenate(squares, axis=1)[:, :5].sum(axis=1)
    found = LayerShares(num=5, batch_size=3)(learner, toy(), SEED)
    names = [f"layer_share/layer{l}" for l in (3, 2, 1)]
    assert found == pytest.approx(dict(zip(names, np.array(parts) / whole, strict=True)), rel=1e-5)


class Silent:
    def sample(self, num, seed):
        return tf.zeros([num, 2, 2, 1])


@pytest.mark.parametrize("evaluate", [LayerProbes(5, 5, 5), LayerShares(5, 5)])
def test_a_learner_without_latents_is_refused_in_one_line(evaluate):
    with pytest.raises(InputError, match="Silent is not a learner whose observ") as error:
        evaluate(Silent(), toy(), SEED)
    assert type(evaluate).__name__ in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_counts_and_non_finite_latents_are_refused_in_one_line():
    for make in (lambda: LayerProbes(5, 0, 5), lambda: LayerShares(0, 5)):
        with pytest.raises(InputError, match="is 0: choose from 1 on") as error:
            make()
        assert "\n" not in str(error.value)

    class Lost(Organised):
        def infer(self, batch, seed):
            return [tf.fill([tf.shape(batch["image"])[0], 2], np.nan)]

    with pytest.raises(InputError, match="not finite") as error:
        LayerProbes(5, 5, 5)(Lost(), toy(), SEED)
    assert "\n" not in str(error.value)
