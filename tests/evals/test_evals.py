"""Evals and pictures, compared with closed forms, hand-computed values and controls.

The learners here are plain classes that have only methods of the contract.
"""

import dataclasses

import numpy as np
import pytest
import scipy.linalg
import sklearn
import tensorflow as tf
from PIL import Image
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import polynomial_kernel

from tf_shortrun.core import latent_paths, noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.evals.features.distances import frechet, kid, moments, precision_recall
from tf_shortrun.evals.features.extractor import Extractor
from tf_shortrun.evals.features.quality import FeatureDistances
from tf_shortrun.evals.pictures import grids
from tf_shortrun.evals.pictures.tiles import grid, write_png
from tf_shortrun.evals.reconstruction import Reconstruction

SEED = noise.make_seed(7)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


# Frechet distance


def test_frechet_of_one_feature_has_the_hand_computed_value():
    # (0 - 3)^2 + 4 + 9 - 2 sqrt(4 * 9)
    values = [np.array([0.0]), np.array([[4.0]]), np.array([3.0]), np.array([[9.0]])]
    assert frechet(*values) == pytest.approx(10.0, abs=1e-12)


def test_frechet_equals_the_non_symmetric_square_root():
    a, b = random(6, 6, seed=1), random(6, 6, seed=2)
    cov1, cov2, mean = a @ a.T, b @ b.T, np.arange(6.0)
    root = scipy.linalg.sqrtm(cov1 @ cov2).real
    expected = mean @ mean + np.trace(cov1 + cov2 - 2 * root)
    assert frechet(mean, cov1, 0 * mean, cov2) == pytest.approx(expected, rel=1e-9)
    wrong = mean @ mean + np.trace(cov1 + cov2) - 2 * np.sum(np.sqrt(np.diag(cov1) * np.diag(cov2)))
    assert abs(wrong - expected) > 0.1  # power: the covariances do not commute


def test_frechet_is_exact_for_singular_covariances():
    few = moments(random(20, 50))
    assert abs(frechet(*few, *few)) < 1e-10
    assert frechet(*few, few[0] + 1.0, few[1]) == pytest.approx(50.0, rel=1e-10)


def test_frechet_is_invariant_to_rotations_and_common_shifts():
    x, y = random(300, 5), random(300, 5, seed=1) * [1, 2, 3, 4, 5]
    turn = np.linalg.qr(random(5, 5, seed=2))[0]
    plain = frechet(*moments(x), *moments(y))
    assert frechet(*moments(x @ turn + 3), *moments(y @ turn + 3)) == pytest.approx(plain, rel=1e-9)
    assert frechet(*moments(y), *moments(x)) == pytest.approx(plain, rel=1e-9)
    assert frechet(*moments(x * 2), *moments(y * 2)) == pytest.approx(4 * plain, rel=1e-9)


def test_frechet_of_samples_agrees_with_the_gaussian_distribution():
    x, same = random(20000, 3), random(20000, 3, seed=1)
    other = random(20000, 3, seed=2) * 2 + 1  # 3 * (1 + (2 - 1)^2) = 6
    assert frechet(*moments(x), *moments(same)) < 2e-3
    assert frechet(*moments(x), *moments(other)) == pytest.approx(6.0, rel=0.02)


# Kernel distance


def test_kid_has_the_hand_computed_value():
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [0.0]])
    # k(0, 1) + k(2, 0) - 2 (k(0, 2) + k(0, 0) + k(1, 2) + k(1, 0)) / 4 = 1 + 1 - 2 * 30 / 4
    assert kid(x, y, num_subsets=1, subset_size=2, seed=0) == pytest.approx(-13.0, abs=1e-12)


def test_kid_equals_scikit_learn_kernels():
    x, y = random(40, 5), random(40, 5, seed=1) + 0.3
    k = [polynomial_kernel(*pair, degree=3, coef0=1) for pair in ((x, x), (y, y), (x, y))]
    off = ~np.eye(40, dtype=bool)
    expected = k[0][off].mean() + k[1][off].mean() - 2 * k[2].mean()
    assert kid(x, y, 3, 1000, seed=0) == pytest.approx(expected, rel=1e-10)


def test_kid_of_shifted_gaussians_agrees_with_the_closed_form():
    # One feature: sum_j C(3, j) (E x^j - E y^j)^2 = 3 * 1 + 3 * 1 + 16, x ~ N(0, 1), y ~ N(1, 1).
    x, y = random(40000, 1), random(40000, 1, seed=1) + 1
    draws = [kid(x[i::20], y[i::20], 1, 2000, seed=0) for i in range(20)]
    error = np.std(draws) / np.sqrt(20)
    assert abs(np.mean(draws) - 22.0) < 4 * error < 3


def test_kid_is_unbiased_because_it_omits_the_diagonal():
    draws, biased = [], []
    for i in range(300):
        x, y = random(10, 4, seed=2 * i), random(10, 4, seed=2 * i + 1)
        draws.append(kid(x, y, 1, 10, seed=0))
        k = [polynomial_kernel(*pair, degree=3, coef0=1) for pair in ((x, x), (y, y), (x, y))]
        biased.append(k[0].mean() + k[1].mean() - 2 * k[2].mean())
    error = np.std(draws) / np.sqrt(300)
    assert abs(np.mean(draws)) < 4 * error
    assert np.mean(biased) > 20 * error


def test_kid_subsets_depend_on_the_seed():
    x, y = random(200, 4), random(200, 4, seed=1)
    assert kid(x, y, 5, 50, seed=1) == kid(x, y, 5, 50, seed=1) != kid(x, y, 5, 50, seed=2)


# Precision and recall


def test_precision_and_recall_have_hand_computed_values():
    real = np.array([[0.0], [1.0], [2.0], [3.0]])  # radii 1, 1, 1, 1
    fake = np.array([[0.5], [0.6], [3.9], [9.0], [12.0]])  # radii .1, .1, 3.3, 3, 3
    assert precision_recall(real, fake, k=1) == (3 / 5, 3 / 4)


def naive_fraction(points, centres, k):
    radii = np.sort(cdist(centres, centres), axis=1)[:, k]  # column 0 is the distance to itself
    return np.mean(np.any(cdist(points, centres) <= radii, axis=1))


def test_precision_and_recall_do_not_depend_on_the_block_size():
    real, fake = random(300, 4), random(200, 4, seed=1) * 1.3
    expected = (naive_fraction(fake, real, 3), naive_fraction(real, fake, 3))
    assert 0.2 < expected[0] < expected[1] < 0.98
    assert precision_recall(real, fake) == expected
    with sklearn.config_context(working_memory=0.01):  # MiB, enough for a few rows
        assert precision_recall(real, fake) == expected


def test_precision_and_recall_distinguish_good_and_bad_samples():
    real = np.concatenate([random(200, 3), random(200, 3, seed=1) + 100])
    assert precision_recall(real, real) == (1.0, 1.0)
    assert precision_recall(real, real + 50) == (0.0, 0.0)
    same_distribution = np.concatenate([random(200, 3, seed=2), random(200, 3, seed=3) + 100])
    assert min(precision_recall(real, same_distribution)) > 0.75
    one_mode = precision_recall(real, random(400, 3, seed=4))
    assert one_mode[0] > 0.75 and one_mode[1] < 0.5
    collapsed = np.repeat(real[:1], 300, axis=0)
    precision, recall = precision_recall(real, collapsed)
    assert precision == 1 and recall <= 1 / 400


# Reconstruction


def image_set(num_train=20, num_test=7, shape=(2, 2, 1)) -> Dataset:
    def split(num, seed):
        images = np.random.default_rng(seed).integers(0, 256, (num, *shape), np.uint8)
        return Split(images, np.full(num, -1, np.int32))

    return Dataset("toy", split(num_train, 1), split(num_test, 2))


class OffByIndex:
    """A learner whose reconstruction of image i has the error 0.1 i / times in every pixel."""

    traces = 0

    def sample_latents(self, num, seed):
        raise NotImplementedError

    def infer(self, batch, seed):
        return self.infer_by_chain(batch, seed, 1)

    def infer_by_chain(self, batch, seed, times, noise_scale=None):
        self.traces += 1
        miss = 0.1 * tf.cast(batch["index"], tf.float32) / times
        return [batch["image"] + miss[:, None, None, None]]

    def decode(self, latents):
        return latents[0]

    def reconstruct(self, batch, seed):
        return self.decode(self.infer(batch, seed))


def test_reconstruction_weights_all_images_equally():
    evaluate = Reconstruction(batch_size=3, times=(1, 2))  # batches of 3, 3 and 1
    metrics = evaluate(OffByIndex(), image_set(), SEED)
    mean_square = np.mean(np.arange(7.0) ** 2)
    assert metrics.pop("unexplained_variance") > 0
    assert metrics == pytest.approx({"mse": 0.01 * mean_square, "mse@2K": 0.0025 * mean_square})
    assert evaluate.protocol(image_set()).keys() == metrics.keys()


class Constant:
    """A learner that reconstructs every image as the same image."""

    def __init__(self, image):
        self.image = tf.constant(image, tf.float32)

    def reconstruct(self, batch, seed):
        return tf.broadcast_to(self.image, tf.shape(batch["image"]))


def test_unexplained_variance_is_one_for_the_mean_training_image_and_more_for_black():
    """One pixel: training 0, 255 (mean 0); test 255, 255 (x = 1). Black has error 4, the mean 1."""
    train, test = (np.array(v, np.uint8).reshape(2, 1, 1, 1) for v in ([0, 255], [255, 255]))
    labels = np.full(2, -1, np.int32)
    data = Dataset("pixel", Split(train, labels), Split(test, labels))
    for image, value in ((0.0, 1.0), (-1.0, 4.0), (0.5, 0.25)):
        metrics = Reconstruction(2, (1,))(Constant([[[image]]]), data, SEED)
        assert metrics["unexplained_variance"] == pytest.approx(value, rel=1e-6)


def test_reconstruction_uses_the_first_images():
    evaluate = Reconstruction(batch_size=3, times=(4,), num_images=5)
    metrics = evaluate(OffByIndex(), image_set(), SEED)
    assert metrics == pytest.approx({"mse@4K": 0.01 / 16 * np.mean(np.arange(5.0) ** 2)})
    assert "first 5 of 7 test images of toy" in evaluate.protocol(image_set())["mse@4K"]


def test_reconstruction_is_traced_once_for_each_length():
    learner = OffByIndex()
    Reconstruction(batch_size=3)(learner, image_set(), SEED)
    assert learner.traces == 3


class Noisy:
    def reconstruct(self, batch, seed):
        image = batch["image"]
        return image + noise.normal(seed, [tf.shape(image)[0], *image.shape[1:]])


def test_reconstruction_noise_differs_between_batches_and_repeats():
    def run(seed):
        return Reconstruction(3, (1,))(Noisy(), image_set(), seed)["mse"]

    draws = [noise.normal(noise.fold(SEED, b), [n, 2, 2, 1]) for b, n in enumerate((3, 3, 1))]
    assert run(SEED) == pytest.approx(np.mean(np.concatenate(draws) ** 2), rel=1e-5)
    assert run(SEED) == run(SEED) != run(noise.make_seed(8))


def test_reconstruction_accepts_points():
    points = Split(random(5, 2).astype(np.float32), np.full(5, -1, np.int32))
    metrics = Reconstruction(5, (1,))(Noisy(), Dataset("dots", points, points), SEED)
    assert 0.1 < metrics["mse"] < 3


class Silent:
    """A learner that can only sample."""

    def sample(self, num, seed):
        return tf.zeros([num, 2, 2, 1])


def test_errors_of_reconstruction_are_one_line():
    with pytest.raises(InputError) as error:
        Reconstruction(3)(Silent(), image_set(), SEED)
    assert "Silent is not a learner that explains a given observation" in one_line(error)
    with pytest.raises(InputError) as error:
        Reconstruction(3, times=(1, 2))(Noisy(), image_set(), SEED)
    assert "Noisy is not a learner that infers by a chain" in one_line(error)
    assert "leave Reconstruction.times other than 1 out" in one_line(error)
    for bad in (
        {"batch_size": 0},
        {"batch_size": 1, "times": (0,)},
        {"batch_size": 1, "num_images": 0},
    ):
        with pytest.raises(InputError) as error:
            Reconstruction(**bad)
        one_line(error)


# Distances of samples


def pixels(dataset: Dataset) -> Extractor:
    del dataset
    return Extractor(
        "pixels", lambda: "no network", lambda images: tf.reshape(images, [len(images), -1])
    )


@dataclasses.dataclass
class Replays:
    """A learner that draws given images with replacement and adds noise."""

    images: np.ndarray
    blur: float = 0.0

    def sample(self, num, seed):
        rows = tf.random.stateless_uniform([num], seed, 0, len(self.images), tf.int32)
        images = tf.gather(tf.constant(self.images, tf.float32) / 127.5 - 1, rows)
        return images + self.blur * noise.normal(seed, images.shape)


def test_feature_distances_distinguish_good_and_bad_samples():
    data = image_set(400, 400)
    evaluate = FeatureDistances(pixels, num_samples=500, batch_size=64)
    good = evaluate(Replays(data.train.images), data, SEED)
    bad = evaluate(Replays(data.train.images, blur=2.0), data, SEED)
    assert good["frechet/pixels"] < 0.05 < 5 < bad["frechet/pixels"]
    assert abs(good["kid/pixels"]) < 0.02 < 0.5 < bad["kid/pixels"]
    assert good["precision/pixels"] > 0.8 > 0.3 > bad["precision/pixels"]
    assert evaluate.protocol(data).keys() == good.keys()
    sentence = evaluate.protocol(data)["frechet/pixels"]
    for word in ("500 samples", "400 test images of toy", "pixels (no network)"):
        assert word in sentence


def test_feature_distances_use_the_given_number_of_samples_and_split():
    data = image_set(60, 50)
    learner = Replays(data.test.images)
    metrics = FeatureDistances(pixels, 10, 4, reference="train")(learner, data, SEED)
    fake = np.concatenate([learner.sample(4, noise.fold(SEED, b)) for b in range(3)])[:10]
    real = data.train.images / 127.5 - 1
    expected = frechet(*moments(real.reshape(60, -1)), *moments(fake.reshape(10, -1)))
    assert metrics["frechet/pixels"] == pytest.approx(expected, rel=1e-4)
    again = FeatureDistances(pixels, 10, 4, reference="train")(learner, data, SEED)
    other = FeatureDistances(pixels, 10, 4, reference="train")(learner, data, noise.make_seed(8))
    assert metrics == again != other


def test_errors_of_feature_distances_are_one_line():
    with pytest.raises(InputError) as error:
        FeatureDistances(pixels, 10, 4)(Replays(np.full([3, 2, 2, 1], np.nan)), image_set(), SEED)
    assert "not finite" in one_line(error)
    with pytest.raises(InputError) as error:
        FeatureDistances(pixels, num_samples=3, batch_size=4)
    assert "num_samples is 3" in one_line(error)


# Pictures


def test_a_grid_has_the_expected_pixels():
    images = np.array([-1.0, 1.0, 0.0], np.float32).reshape(3, 1, 1, 1) * np.ones([1, 32, 40, 1])
    picture = grid(images, columns=2)
    assert picture.dtype == np.uint8 and picture.shape == (2 + 2 * 34, 2 + 2 * 42, 3)
    assert np.all(picture[2:34, 2:42] == 0) and np.all(picture[2:34, 44:84] == 255)
    assert np.all(picture[36:68, 2:42] == 128)
    lines = np.ones(picture.shape[:2], bool)
    for top, left in ((2, 2), (2, 44), (36, 2)):
        lines[top : top + 32, left : left + 40] = False
    assert np.all(picture[lines] == 128)  # separators and the empty tile


def test_a_grid_enlarges_small_images_and_keeps_every_level():
    levels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8, 1)
    picture = grid(levels / 127.5 - 1, columns=4)
    assert picture.shape == (36, 4 * 34 + 2, 3)
    assert np.array_equal(picture[2:34:4, 2:34:4, 0], levels[0, :, :, 0])
    assert np.array_equal(picture[5:34:4, 5:34:4, 2], levels[0, :, :, 0])
    colour = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    assert np.array_equal(grid(colour / 127.5 - 1, 1)[2:-2, 2:-2], colour[0])


def test_a_png_file_has_the_same_pixels(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    write_png(tmp_path / "a.png", picture)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)


def tiles(picture, columns):
    """Returns the values of images 2 x 2, read at the centre of each enlarged pixel."""
    inside = picture[2:, 2:, 0].reshape(-1, 34, columns, 34).swapaxes(1, 2)
    return inside[:, :, [[8], [24]], [8, 24]]  # [rows, columns, 2, 2]


class Scribe:
    """A learner with two layers of two numbers; each row of an image is a layer of its latents."""

    def sample_latents(self, num, seed):
        return [0.4 * tf.tanh(noise.normal(noise.fold(seed, l), [num, 2])) for l in range(2)]

    def infer(self, batch, seed):
        return tf.unstack(batch["image"][..., 0], axis=1)

    def decode(self, latents):
        return tf.stack(latents, axis=1)[..., None]

    def sample(self, num, seed):
        return self.decode(self.sample_latents(num, seed))

    def reconstruct(self, batch, seed):
        return -batch["image"]


def test_a_sample_grid_shows_the_samples_and_data_beside_them():
    data = image_set()
    pictures = grids.SampleGrid(2, 3)(Scribe(), data, SEED)
    expected = np.round((Scribe().sample(6, SEED).numpy() + 1) * 127.5).reshape(2, 3, 2, 2)
    assert np.array_equal(tiles(pictures["samples"], 3), expected)
    shown = data.test.images[[0, 1, 2, 3, 4, 6], :, :, 0].reshape(2, 3, 2, 2)
    assert np.array_equal(tiles(pictures["data"], 3), shown)


def test_a_reconstruction_grid_has_the_originals_above():
    data = image_set()
    picture = grids.ReconstructionGrid(4)(Scribe(), data, SEED)["reconstructions"]
    above, below = tiles(picture, 4)
    assert np.array_equal(above, data.test.images[[0, 2, 4, 6], :, :, 0])
    assert np.array_equal(above + below, np.full(above.shape, 255))


def test_an_interpolation_grid_leads_from_image_to_image():
    data = image_set(num_test=4)
    picture = grids.InterpolationGrid(2, 5)(Scribe(), data, SEED)["interpolations"]
    found, images = tiles(picture, 5).astype(int), data.test.images[..., 0]
    assert np.abs(found[:, 0] - images[:2]).max() <= 1
    assert np.abs(found[:, -1] - images[2:]).max() <= 1


def test_an_interpolation_is_a_great_circle_of_all_layers_together():
    start = [tf.constant([[2.0, 0.0]]), tf.constant([[0.0]])]
    end = [tf.constant([[0.0, 0.0]]), tf.constant([[2.0]])]
    first, second = latent_paths.great_circle(start, end, 3)
    half = np.sqrt(2.0)  # separate layers could not leave their axes
    np.testing.assert_allclose(first, [[2, 0], [half, 0], [0, 0]], atol=1e-5)
    np.testing.assert_allclose(second, [[0], [half], [2]], atol=1e-5)


def test_interpolations_between_equal_opposite_and_zero_latents_are_finite():
    z = [tf.constant([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0]])]
    end = [tf.constant([[1.0, 2.0], [-1.0, -2.0], [0.0, 0.0]])]
    (path,) = latent_paths.great_circle(z, end, 3)
    np.testing.assert_allclose(path[:3], [[1, 2]] * 3, atol=1e-3)
    assert np.all(np.isfinite(path))
    np.testing.assert_allclose(path[3:6:2], [[1, 2], [-1, -2]], atol=1e-3)


def test_a_layer_grid_changes_one_layer_in_each_block():
    picture = grids.LayerResamplingGrid(3, 4)(Scribe(), image_set(), SEED)["layers"]
    height = 2 + 3 * 34
    top, bottom = tiles(picture[:height], 4), tiles(picture[-height:], 4)
    assert np.all(picture[height:-height] == 128)  # a band between the layers
    assert np.array_equal(top[:, 0], bottom[:, 0])  # rows begin with the same samples
    for block, changed in ((top, 0), (bottom, 1)):
        kept = 1 - changed
        assert np.array_equal(block[:, :, kept], np.repeat(block[:, :1, kept], 4, axis=1))
        assert len(np.unique(block[:, :, changed, 0])) > 8
    assert len(np.unique(top[:, 0, 0, 0])) == 3


def test_pictures_are_traced_once_and_show_the_current_learner():
    class Growing:
        traces, level = 0, tf.Variable(0.0)

        def sample(self, num, seed):
            self.traces += 1
            return self.level * tf.ones([num, 2, 2, 1])

    learner, draw = Growing(), grids.SampleGrid(1, 1)
    assert np.all(tiles(draw(learner, image_set(), SEED)["samples"], 1) == 128)
    learner.level.assign(1.0)
    assert np.all(tiles(draw(learner, image_set(), SEED)["samples"], 1) == 255)
    assert learner.traces == 1


def test_errors_of_pictures_are_one_line():
    points = tf.zeros([3, 2])
    with pytest.raises(InputError) as error:
        grid(points, 2)
    assert "only images can be drawn" in one_line(error)
    for picture in (
        grids.ReconstructionGrid(2),
        grids.InterpolationGrid(2, 2),
        grids.LayerResamplingGrid(2, 2),
    ):
        with pytest.raises(InputError) as error:
            picture(Silent(), image_set(), SEED)
        assert type(picture).__name__ in one_line(error)
    with pytest.raises(InputError) as error:
        grids.SampleGrid(rows=0, columns=2)
    assert "SampleGrid.rows is 0" in one_line(error)
