"""Masks, the eval and the picture of completed images, and chains on partly hidden images."""

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Inpaints
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import explain
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.masks import Block, Scattered
from tf_shortrun.evals.inpainting import Inpainting, InpaintingGrid
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun

SEED = noise.make_seed(7)
PAPER = (Block(20), Block(30), Scattered(0.33, (3, 5)), Scattered(0.41, (3, 5)))


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


# Masks


def test_a_block_is_one_square_with_equal_probability_at_all_places():
    hidden = ~Block(2)(2400, (4, 5, 3), seed=0)[..., 0]
    squares = np.zeros([3, 4, 4, 5], bool)
    for row, column in np.ndindex(3, 4):
        squares[row, column, row : row + 2, column : column + 2] = True
    found = (hidden[:, None, None] == squares).all(axis=(-2, -1))
    assert (found.sum(axis=(1, 2)) == 1).all()
    assert np.abs(found.sum(axis=0) - 200).max() < 5 * np.sqrt(200)


def test_scattered_squares_stop_when_they_reach_the_share():
    hidden = ~Scattered(0.41, (3, 5))(50, (64, 64, 3), seed=0)
    counts = hidden.sum(axis=(1, 2, 3))
    assert (counts >= 0.41 * 64**2).all() and (counts < 0.41 * 64**2 + 5**2).all()


def test_scattered_squares_have_sides_in_the_given_range():
    one = (~Scattered(1e-3, (3, 5))(3000, (64, 64, 3), seed=0)).sum(axis=(1, 2, 3))
    sizes, counts = np.unique(one, return_counts=True)
    assert sizes.tolist() == [9, 16, 25] and np.abs(counts - 1000).max() < 5 * np.sqrt(1000)
    many = ~Scattered(0.33, (3, 5))(5, (64, 64, 1), seed=0)[..., 0]
    for image in many:
        opened = [scipy.ndimage.binary_opening(image, np.ones([n, n])) for n in (3, 4)]
        assert (opened[0] == image).all() and (opened[1] != image).any()


def test_a_block_without_a_side_is_half_of_the_smaller_side():
    hidden = ~Block(None)(9, (6, 11, 3), seed=0)[..., 0]
    assert (hidden.sum(axis=(1, 2)) == 3 * 3).all() and Block(None).name == "block_of_half"
    np.testing.assert_array_equal(Block(None)(9, (6, 11, 3), 0), Block(3)(9, (6, 11, 3), 0))


@pytest.mark.parametrize("mask", PAPER)
def test_masks_depend_on_the_seed_and_not_on_their_number(mask):
    first = mask(6, (64, 64, 3), seed=1)
    assert first.shape == (6, 64, 64, 1) and first.dtype == bool
    assert (first == mask(6, (64, 64, 3), seed=1)).all()
    assert (first[:2] == mask(2, (64, 64, 3), seed=1)).all()
    assert (first != mask(6, (64, 64, 3), seed=2)).any() and (first[0] != first[1]).any()


def test_masks_have_the_expected_names():
    assert [mask.name for mask in PAPER] == ["block20", "block30", "scattered33", "scattered41"]
    assert Scattered(0.125, (1, 1)).name == "scattered12.5"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Block(4)(1, (4, 9, 1), 0), "Block.side has 4, but images are 4 x 9"),
        (lambda: Block(0)(1, (4, 9, 1), 0), "choose a side from 1 to 3"),
        (lambda: Block(1)(1, (2,), 0), "only images can be masked"),
        (lambda: Scattered(0.0, (1, 2)), "share is 0.0"),
        (lambda: Scattered(1.0, (1, 2)), "share is 1.0"),
        (lambda: Scattered(float("nan"), (1, 2)), "share is nan"),
        (lambda: Scattered(0.3, (3, 2)), "the smaller side first"),
        (lambda: Scattered(0.1, (1, 8))(1, (8, 8, 1), 0), "Scattered.sides has 8"),
        (lambda: Scattered(0.1, (0, 2))(1, (8, 8, 1), 0), "Scattered.sides has 0"),
        (lambda: Scattered(0.9, (2, 3))(1, (8, 8, 1), 0), "can hide all of an image 8 x 8"),
    ],
)
def test_errors_of_masks_are_one_line(make, words):
    with pytest.raises(InputError) as error:
        make()
    assert words in one_line(error)


# The eval


def image_set(num=7, shape=(8, 8, 3)) -> Dataset:
    images = np.random.default_rng(2).integers(0, 256, (num, *shape), np.uint8)
    split = Split(images, np.full(num, -1, np.int32))
    return Dataset("toy", split, split)


def flat_set(levels) -> Dataset:
    """Returns images that each have a single level."""
    images = np.tile(np.float32(levels).reshape(-1, 1, 1, 1), [1, 8, 8, 1])
    split = Split(images, np.full(len(images), -1, np.int32))
    return Dataset("flat", split, split)


class Fills:
    """A learner that fills observed pixels with `observed`, hidden pixels with `hidden`."""

    def __init__(self, observed, hidden):
        self.observed, self.hidden = observed, hidden
        self.traces = 0

    def inpaint(self, batch, seed):
        self.traces += 1
        return tf.where(batch["mask"], self.observed, self.hidden) * tf.ones_like(batch["image"])


class Peeks:
    """A learner that returns its input."""

    def inpaint(self, batch, seed):
        return batch["image"]


class Knows:
    """A learner that returns the true images, in one batch."""

    def __init__(self, dataset):
        self.images = tf.constant(dataset.test.images / np.float32(127.5) - 1)

    def inpaint(self, batch, seed):
        return self.images


def test_errors_have_hand_computed_values():
    evaluate = Inpainting([Block(3)], num_images=10, batch_size=10)
    metrics = evaluate(Fills(0.6, 0.2), flat_set([0.5]), SEED)
    assert metrics["inpaint_mse/observed/block3"] == pytest.approx(0.01, rel=1e-5)
    assert metrics["inpaint_mse/hidden/block3"] == pytest.approx(0.09, rel=1e-5)
    assert metrics["inpaint_psnr/hidden/block3"] == pytest.approx(16.47817, abs=1e-4)
    for name in ("inpaint_mse/hidden", "inpaint_mse/observed", "inpaint_psnr/hidden"):
        assert metrics[name] == metrics[f"{name}/block3"]


def test_errors_are_means_over_masks_and_psnr_is_that_of_the_mean_error():
    masks = [Block(2), Scattered(0.5, (1, 4))]
    metrics = Inpainting(masks, 7, 3)(Fills(0.0, 0.0), image_set(), SEED)
    for place in ("hidden", "observed"):
        errors = [metrics[f"inpaint_mse/{place}/{mask.name}"] for mask in masks]
        assert errors[0] != errors[1]
        assert metrics[f"inpaint_mse/{place}"] == pytest.approx(np.mean(errors), rel=1e-12)
    expected = 10 * np.log10(4 / metrics["inpaint_mse/hidden"])
    assert metrics["inpaint_psnr/hidden"] == pytest.approx(expected, rel=1e-12)
    assert not any(place in name for name in metrics for place in ("psnr/observed", "nan"))


def test_images_have_equal_weights_for_any_hidden_share():
    levels, mask = [0.1, 0.9, -0.4, 0.7, 0.2], Scattered(0.2, (1, 5))
    metrics = Inpainting([mask], 5, batch_size=2)(Fills(0.0, 0.0), flat_set(levels), SEED)
    counts = (~mask(5, (8, 8, 1), seed=0)).sum(axis=(1, 2, 3))
    pooled = np.average(np.square(levels), weights=counts)
    expected = np.mean(np.square(levels))
    assert abs(pooled - expected) > 0.01
    assert metrics["inpaint_mse/hidden"] == pytest.approx(expected, rel=1e-6)
    assert metrics["inpaint_mse/observed"] == pytest.approx(expected, rel=1e-6)


def test_true_images_have_no_error():
    data = image_set()
    metrics = Inpainting([Block(3)], 7, batch_size=7)(Knows(data), data, SEED)
    assert metrics["inpaint_mse/hidden"] == metrics["inpaint_mse/observed"] == 0
    assert metrics["inpaint_psnr/hidden"] == np.inf


def test_the_input_does_not_reveal_hidden_pixels():
    evaluate, data = Inpainting([Block(3), Scattered(0.4, (1, 2))], 7, 3), image_set()
    peeks = evaluate(Peeks(), data, SEED)
    guess = evaluate(Fills(0.0, 0.0), data, SEED)
    assert peeks["inpaint_mse/observed"] == 0 < guess["inpaint_mse/observed"]
    assert peeks["inpaint_mse/hidden"] == guess["inpaint_mse/hidden"] > 0.2


def test_all_learners_get_the_same_masks_and_are_traced_once():
    evaluate, learner = Inpainting([Block(3), Scattered(0.4, (1, 2))], 7, 3), Fills(0.1, 0.2)
    metrics = evaluate(learner, image_set(), SEED)  # batches of 3, 3 and 1, for two masks
    assert learner.traces == 1
    assert metrics == evaluate(learner, image_set(), noise.make_seed(8))


def test_noise_differs_between_batches_and_is_the_same_for_all_masks():
    class Noisy:
        def inpaint(self, batch, seed):
            return noise.normal(seed, [tf.shape(batch["image"])[0], 8, 8, 1])

    def run(seed):
        evaluate = Inpainting([Block(2), Block(3)], num_images=5, batch_size=3)
        return evaluate(Noisy(), flat_set([0.0] * 5), seed)

    draws = [noise.normal(noise.fold(SEED, b), [n, 8, 8, 1]) for b, n in enumerate((3, 2))]
    squares, metrics = np.concatenate(draws) ** 2, run(SEED)
    for side in (2, 3):
        hidden = ~Block(side)(5, (8, 8, 1), seed=0)
        expected = np.mean(squares[hidden].reshape(5, -1))
        assert metrics[f"inpaint_mse/hidden/block{side}"] == pytest.approx(expected, rel=1e-5)
    assert metrics == run(SEED) != run(noise.make_seed(8))


def test_every_number_has_a_sentence():
    evaluate, data = Inpainting(PAPER[2:], 5, 5), image_set(shape=(64, 64, 1))
    protocol = evaluate.protocol(data)
    found = evaluate(Peeks(), data, SEED)
    assert protocol.keys() == found.keys()
    ways = {number.better for number in explain(evaluate, found, data).values()}
    assert ways == {"lower", "higher"}
    sentence = protocol["inpaint_mse/hidden/scattered41"]
    for words in ("hidden pixels", "of 7 test images of toy", "share=0.41, sides=(3, 5)", "seed 0"):
        assert words in sentence
    assert (
        "mean over" in protocol["inpaint_mse/hidden"] and "0.33" in protocol["inpaint_mse/hidden"]
    )


class Silent:
    """A learner without methods."""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Inpainting([], 1, 1), "Inpainting.masks are []"),
        (lambda: Inpainting([Block(3)] * 2, 1, 1), "each with its own name"),
        (lambda: Inpainting([Block(3)], 0, 1), "num_images is 0"),
        (lambda: Inpainting([Block(3)], 1, 0), "batch_size is 0"),
        (lambda: Inpainting([Block(3)], 1, 1)(Silent(), image_set(), SEED), "leave Inpainting out"),
        (lambda: Inpainting([Block(8)], 1, 1)(Peeks(), image_set(), SEED), "side has 8"),
        (lambda: InpaintingGrid([Block(3)], 0), "InpaintingGrid.num is 0"),
        (lambda: InpaintingGrid([Block(3)] * 2, 1), "InpaintingGrid.masks are"),
        (lambda: InpaintingGrid([Block(3)], 1)(Silent(), image_set(), SEED), "InpaintingGrid out"),
    ],
)
def test_errors_of_evals_are_one_line(make, words):
    with pytest.raises(InputError) as error:
        make()
    assert words in one_line(error)


# The picture


def test_the_picture_has_the_expected_rows():
    data, masks = image_set(num=4, shape=(32, 32, 3)), [Block(20), Scattered(0.4, (3, 5))]
    picture = InpaintingGrid(masks, num=4)(Fills(-1.0, 1.0), data, SEED)["inpaintings"]
    height = 2 + 3 * 34
    assert picture.shape == (2 * height + 8, 2 + 4 * 34, 3)
    assert (picture[height : height + 8] == 128).all()  # a band between the masks
    for mask, block in zip(masks, (picture[:height], picture[-height:]), strict=True):
        tiles = block[2:, 2:].reshape(3, 34, 4, 34, 3).swapaxes(1, 2)[:, :, :32, :32]
        seen = mask(4, (32, 32, 3), seed=0)
        assert (tiles[0] == data.test.images).all()
        assert (tiles[1] == np.where(seen, data.test.images, 128)).all()
        assert (tiles[2] == np.where(seen, data.test.images, 255)).all()


# A chain on a partly hidden image


def linear_model(sigma=0.5):
    """Returns a model x = z W + e, with six pixels as an image 2 x 3."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(6, use_bias=False), keras.layers.Reshape((2, 3, 1))]
    return Decoder(keras.Sequential(layers), latent_widths=[4], sigma=sigma)


def images_and_masks():
    x = noise.normal(noise.make_seed(1), [5, 2, 3, 1]).numpy().clip(-1, 1)
    mask = np.random.default_rng(0).random([5, 2, 3, 1]) < 0.5
    assert 0 < mask.sum() < mask.size
    return x, mask


def chain(model, batch, **options):
    return ShortRun(6, 0.05, **options)(model, batch, SEED).latents[0].numpy()


def test_hidden_pixels_have_no_effect():
    model, (x, mask) = linear_model(), images_and_masks()
    expected = chain(model, {"image": x, "mask": mask})
    for other in (-1.0, 1e30, np.nan, np.inf):
        hidden = np.where(mask, x, np.float32(other))
        assert (chain(model, {"image": hidden, "mask": mask}) == expected).all()
    observed = np.where(mask, x + 0.1, x)
    assert np.abs(chain(model, {"image": observed, "mask": mask}) - expected).max() > 0.01


def test_a_full_mask_gives_the_plain_chain():
    model, (x, mask) = linear_model(), images_and_masks()
    plain = chain(model, {"image": x})
    full = chain(model, {"image": x, "mask": np.ones_like(mask)})
    np.testing.assert_allclose(full, plain, atol=1e-5)
    assert np.abs(chain(model, {"image": x, "mask": mask}) - plain).max() > 0.05


def test_an_empty_mask_gives_the_prior():
    model, (x, mask) = linear_model(), images_and_masks()
    z = tf.Variable(model.sample_latents(5, SEED)[0])
    with tf.GradientTape() as tape:
        log_joint = model.log_joint([z], x, np.zeros_like(mask))
    np.testing.assert_allclose(tape.gradient(log_joint, z), -z, rtol=1e-6)
    np.testing.assert_array_equal(log_joint, model.log_prior([z]))
    batch = {"image": x, "mask": np.zeros_like(mask)}
    start = ShortRun(1, 1e-12)(model, batch, SEED).latents[0]
    shrunk = (1 - 0.05) ** 6 * start  # six steps z <- z + s grad log N(z; 0, I)
    np.testing.assert_allclose(chain(model, batch, noise_scale=0.0), shrunk, atol=1e-5)


def test_a_partial_mask_gives_the_regression_on_the_observed_pixels():
    """z_K = mu + (I - s A)^K (z_0 - mu), A = I + W_o W_o^T / sigma^2, A mu = W_o x_o / sigma^2."""
    model, (x, mask) = linear_model(), images_and_masks()
    batch, (weights,) = {"image": x, "mask": mask}, map(np.array, model.trainable_variables)
    start = ShortRun(1, 1e-12)(model, batch, SEED).latents[0].numpy()
    ends = chain(model, batch, noise_scale=0.0)
    for z, end, pixels, seen in zip(start, ends, x.reshape(5, 6), mask.reshape(5, 6), strict=True):
        observed = weights[:, seen]
        precision = np.eye(4) + observed @ observed.T / 0.25
        mean = np.linalg.solve(precision, observed @ pixels[seen] / 0.25)
        move = np.linalg.matrix_power(np.eye(4) - 0.05 * precision, 6)
        np.testing.assert_allclose(end, mean + move @ (z - mean), atol=1e-4)


def test_a_learner_completes_images_of_its_own_model():
    """Hidden pixels of images from the model have a smaller error than the mean image."""
    model = linear_model(sigma=0.1)
    learner = LatentLikelihood(model, ShortRun(100, 0.004), keras.optimizers.Adam())
    assert can(learner, Inpaints)
    images = learner.sample(200, noise.make_seed(3)).numpy()
    assert np.abs(images).max() <= 1
    split = Split(images, np.full(200, -1, np.int32))
    data, evaluate = Dataset("own", split, split), Inpainting([Block(1)], 200, 64)
    found, guess = evaluate(learner, data, SEED), evaluate(Fills(0.0, 0.0), data, SEED)
    assert found["inpaint_mse/hidden"] < 0.5 * guess["inpaint_mse/hidden"]
    assert found["inpaint_mse/observed"] < 0.5 * found["inpaint_mse/hidden"]


# The gin fragment


def test_the_gin_fragment_has_the_masks_of_the_paper(one_replica):
    files = ["reproduce/digits.gin", "gin/evals/inpainting.gin"]
    experiment = config.load(files)
    learner = experiment.build(one_replica)
    config.check_used()
    assert can(learner, Inpaints)
    evaluate, picture = experiment.evals[2], experiment.pictures[2]
    assert tuple(evaluate.masks) == tuple(picture.masks) == PAPER
    shares = [(~mask(20, (64, 64, 3), 0)).mean() for mask in evaluate.masks]
    assert shares == pytest.approx([20**2 / 64**2, 30**2 / 64**2, 0.33, 0.41], abs=0.005)
    plain = config.load(files[:1])
    assert experiment.evals[:2] == plain.evals
    assert [p for p in experiment.pictures if p != picture] == plain.pictures
