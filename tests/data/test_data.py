"""Loaders, batches and toys, compared with hand-computed values and closed forms."""

import os
import pathlib
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from scipy.integrate import quad
from sklearn.datasets import load_digits, make_swiss_roll

from prepared import prepare
from tf_shortrun.core.errors import InputError
from tf_shortrun.data import crops, digits, folder, synthetic, tfds_images
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.plane_distribution import PlaneDistribution


def _numbered(num_train=23, num_test=7):
    """Returns images whose single pixel is their place; labels are ten times the place."""

    def split(num):
        places = np.arange(num)
        return Split(places.astype(np.uint8).reshape(-1, 1, 1, 1), (10 * places).astype(np.int32))

    return Dataset("numbered", split(num_train), split(num_test))


def _indices(num_batches, seed=3, **kwargs):
    batches = _numbered().train_batches(seed=seed, **{"batch_size": 5} | kwargs)
    return [batch["index"].numpy() for batch in batches.take(num_batches)]


def _one_line(error, *words):
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


# --- batches


def test_an_epoch_is_a_permutation_cut_into_full_batches():
    indices = np.array(_indices(8))  # 23 // 5 = 4 batches an epoch
    for epoch in (indices[:4], indices[4:]):
        assert len(set(epoch.ravel())) == 20
        assert epoch.min() >= 0 and epoch.max() < 23
    assert (indices[:4] != indices[4:]).any()
    # Four batches across an epoch boundary repeat an example with near certainty.
    assert len(set(indices[1:5].ravel())) < 20 and len(set(indices[3:7].ravel())) < 20


def test_every_example_is_first_in_a_batch_equally_often():
    # Over many epochs each of the 23 examples is first in its batch with equal frequency.
    first = np.array(_indices(4 * 300))[:, 0]
    counts = np.bincount(first, minlength=23)
    chi_square = np.sum((counts - counts.mean()) ** 2) / counts.mean()
    assert chi_square < 48.3  # the 0.999 quantile with 22 degrees of freedom


def test_the_order_depends_only_on_the_seed():
    np.testing.assert_array_equal(_indices(9), _indices(9))
    assert (np.array(_indices(9)) != np.array(_indices(9, seed=4))).any()


@pytest.mark.parametrize("start", [1, 3, 4, 5, 11])
def test_a_start_step_resumes_exactly(start):
    np.testing.assert_array_equal(_indices(14)[start:], _indices(14 - start, start_step=start))


def test_slices_of_two_replicas_form_the_batch_of_one_replica():
    one, two = _indices(6, batch_size=6), _indices(12, batch_size=6, num_replicas=2)
    assert {len(part) for part in two} == {3}
    np.testing.assert_array_equal(one, np.reshape(two, [6, 6]))


def test_a_batch_gathers_image_and_label_of_its_index():
    batch = next(iter(_numbered().train_batches(batch_size=5, seed=0)))
    index = batch["index"].numpy()
    np.testing.assert_array_equal(batch["label"], 10 * index)
    image = batch["image"].numpy()
    assert image.dtype == np.float32 and image.shape == (5, 1, 1, 1)
    np.testing.assert_allclose(image.ravel(), index / 127.5 - 1, atol=1e-6)


def test_test_batches_come_once_and_in_order():
    batches = [batch["index"].numpy().tolist() for batch in _numbered().test_batches(3)]
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]


def test_bytes_become_minus_one_to_one_and_floats_pass_unchanged():
    pixels = np.array([0, 255, 51], np.uint8).reshape(3, 1, 1, 1)
    split = Split(pixels, np.zeros(3, np.int32))
    image = next(iter(Dataset("x", split, split).test_batches(3)))["image"].numpy().ravel()
    assert image[0] == -1 and image[1] == 1
    assert image[2] == pytest.approx(-0.6, abs=1e-6)
    points = Split(np.float32([[0.25, -1]]), np.zeros(1, np.int32))
    batch = next(iter(Dataset("x", points, points).test_batches(1)))
    np.testing.assert_array_equal(batch["image"], [[0.25, -1]])


@pytest.mark.parametrize("batch_size, num_replicas", [(0, 1), (24, 1), (5, 2)])
def test_impossible_batches_raise_an_error(batch_size, num_replicas):
    with pytest.raises(InputError) as error:
        _numbered().train_batches(batch_size, seed=0, num_replicas=num_replicas)
    _one_line(error, "batch_size", str(batch_size))


# --- crops


def test_crop_boxes_have_hand_computed_values():
    assert crops.whole(3, 5) == (0, 0, 5, 3)
    assert crops.center_square(3, 5) == (1, 0, 4, 3)
    assert crops.center_square(218, 178) == (0, 20, 178, 198)
    assert crops.center_square(4, 5) == (0.5, 0, 4.5, 4)
    assert crops.center_square(5, 4) == (0, 0.5, 4, 4.5)
    assert crops.celeba_face(218, 178) == pytest.approx((25, 45, 153, 173))
    assert crops.celeba_face(109, 89) == pytest.approx((12.5, 22.5, 76.5, 86.5))


def test_crop_and_resize_averages_the_box():
    pixels = np.zeros([4, 6], np.uint8)
    pixels[:, 2:4], pixels[:, 4:] = 90, 200
    image = Image.fromarray(pixels)
    same = np.asarray(crops.crop_and_resize(image, (1, 0, 5, 4), 4, 4))
    np.testing.assert_array_equal(same, pixels[:, 1:5])
    # A box between the pixels gives means of neighbours.
    half = np.asarray(crops.crop_and_resize(image, (1.5, 0, 3.5, 2), 2, 2))
    np.testing.assert_array_equal(half[0], [45, 90])
    # To shrink by two, a triangle averages four pixels: (0 + 3 * 90 + 3 * 90 + 200) / 8.
    assert np.asarray(crops.crop_and_resize(image, (2, 0, 4, 2), 1, 1))[0, 0] in (92, 93)


def test_a_half_size_copy_gives_the_same_face():
    # Smooth waves across the frame; at both sizes a pixel is the mean over its square.
    y, x = np.mgrid[:218, :178] + 0.5
    waves = 128 + 60 * np.sin(x / 9 + 1) + 60 * np.cos(y / 11 - x / 40)
    full = Image.fromarray(np.rint(waves).astype(np.uint8))
    half = full.resize((89, 109), Image.Resampling.BOX)

    def distance(crop, other):
        a, b = (
            np.asarray(crops.crop_and_resize(im, c(im.height, im.width), 64, 64), float)
            for im, c in ((full, crop), (half, other))
        )
        return np.sqrt(np.mean((a - b) ** 2))

    assert distance(crops.celeba_face, crops.celeba_face) < 1
    # Power: boxes of whole pixels, or in the middle, give clearly different images.
    assert distance(crops.celeba_face, lambda h, w: (12, 22, 76, 86)) > 3
    assert distance(crops.celeba_face, crops.center_square) > 3


# --- folders and zips


def _save(path, array, **kwargs):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **kwargs)


def _pictures(root, names, size=6):
    """Saves an image for each name: ten times its place in `names`, plus a ramp."""
    for place, name in enumerate(names):
        _save(root / name, np.full([size, size, 3], 10 * place, np.uint8) + _ramp(size))


def _ramp(size):
    return np.arange(size, dtype=np.uint8)[None, :, None]


def _zip(source, target):
    with zipfile.ZipFile(target, "w") as archive:
        for file in source.rglob("*"):
            archive.write(file, file.relative_to(source).as_posix())
    return str(target)


def test_folder_and_zip_give_equal_data(tmp_path):
    root = tmp_path / "pets"
    _pictures(root, ["b/2.png", "a/1.PNG", "b/c/3.bmp", "a/0.gif", "a/4.webp"])
    for junk in (".hidden.png", ".cache/5.png", "__MACOSX/a/6.png", "a/._1.png"):
        _pictures(root, [junk])
    (root / "note.txt").write_text("no image")
    one = folder.folder(str(root), size=6, split="last_names")
    two = folder.folder(_zip(root, tmp_path / "pets.zip"), size=6, split="last_names")
    assert one.name == two.name == "pets"
    for a, b in zip((*one.train, *one.test), (*two.train, *two.test), strict=True):
        np.testing.assert_array_equal(a, b)
    # Sorted: a/0.gif a/1.PNG a/4.webp b/2.png | b/c/3.bmp
    assert one.train.images.shape == (4, 6, 6, 3) and one.train.images.dtype == np.uint8
    np.testing.assert_array_equal(one.train.images[1], 10 + np.broadcast_to(_ramp(6), [6, 6, 3]))
    np.testing.assert_array_equal(one.test.images[0, ..., 0], 20 + _ramp(6)[..., 0].repeat(6, 0))
    assert one.train.labels.tolist() == [0, 0, 0, 1] and one.test.labels.tolist() == [1]


@pytest.mark.parametrize(
    "names, labels",
    [
        (["b/1.png", "a/2.png", "c/d/3.png"], [0, 1, 2]),
        (["a/1.png", "a/2.png", "a/b/3.png"], [-1, -1, -1]),
        (["1.png", "2.png", "3.png"], [-1, -1, -1]),
        (["a/1.png", "b/2.png", "3.png"], [-1, -1, -1]),
    ],
)
def test_labels_are_subfolders_if_every_image_has_one(tmp_path, names, labels):
    _pictures(tmp_path / "x", names)
    result = folder.folder(str(tmp_path / "x"), size=2)
    assert [*result.train.labels, *result.test.labels] == labels
    assert result.train.labels.dtype == np.int32


def test_first_images_are_for_training_and_last_images_for_testing(tmp_path):
    _pictures(tmp_path / "x", [f"{place:02}.png" for place in range(20)])

    def places(**kwargs):
        kwargs = {"size": 6, "name": "y", "split": "last_names", **kwargs}
        result = folder.folder(str(tmp_path / "x"), **kwargs)
        assert result.name == "y"
        return [(split.images[:, 0, 0, 0] // 10).tolist() for split in (result.train, result.test)]

    assert places() == [list(range(18)), [18, 19]]
    assert places(num_test=5) == [list(range(15)), list(range(15, 20))]
    assert places(num_train=3, num_test=1) == [[0, 1, 2], [19]]
    assert places(num_train=18) == [list(range(18)), [18, 19]]
    for wrong in ({"num_train": 19}, {"num_train": 0}, {"num_test": 20}, {"num_test": 0}):
        with pytest.raises(InputError) as error:
            places(**wrong)
        _one_line(error, "20 images", *(f"{key} {value}" for key, value in wrong.items()))


def test_every_kind_of_pixel_becomes_grey_or_colour(tmp_path):
    grey = np.arange(0, 160, 10, dtype=np.uint8).reshape(4, 4)
    colour = np.stack([grey, grey, grey], axis=-1)
    alpha = np.concatenate([colour, np.full([4, 4, 1], 255, np.uint8)], axis=-1)
    root = tmp_path / "x"
    _save(root / "grey.png", grey)
    _save(root / "colour.png", colour)
    _save(root / "alpha.png", alpha)
    _save(root / "deep.png", grey.astype(np.uint16) * 257)
    _save(root / "deep.tif", grey.astype(np.uint16) * 257)
    Image.fromarray(colour).quantize(16).save(root / "palette.png", transparency=b"\xff" * 16)
    for channels in (1, 3):
        result = folder.folder(str(root), size=4, channels=channels)
        for image in (*result.train.images, *result.test.images):
            np.testing.assert_array_equal(image, grey[..., None].repeat(channels, -1))
    _save(root / "float.tif", grey.astype(np.float32))
    with pytest.raises(InputError) as error:
        folder.folder(str(root), size=4)
    _one_line(error, "float.tif", "32 bits")


def test_exif_orientation_is_respected(tmp_path):
    pixels = np.zeros([4, 4, 3], np.uint8)
    pixels[0] = 200  # the top row
    turned = Image.Exif()
    turned[274] = 6  # means a quarter turn clockwise: the top becomes the right
    _save(tmp_path / "x" / "0.png", pixels, exif=turned)
    _save(tmp_path / "x" / "1.png", pixels)
    result = folder.folder(str(tmp_path / "x"), size=4, split="last_names")
    np.testing.assert_array_equal(result.train.images[0], np.rot90(pixels, -1))
    np.testing.assert_array_equal(result.test.images[0], pixels)


def test_errors_name_wrong_folders(tmp_path):
    _pictures(tmp_path / "one", ["a/1.png"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.zip").write_text("no zip")
    (tmp_path / "x.txt").write_text("no image")
    for path, words in {
        "missing": ["missing does not exist"],
        "text.zip": ["text.zip is no zip file"],
        "x.txt": ["x.txt is no zip file"],
        "empty": ["empty holds no images", ".jpg", ".webp"],
        "one": ["one holds 1 images"],
    }.items():
        with pytest.raises(InputError) as error:
            folder.folder(str(tmp_path / path), size=4)
        _one_line(error, *words)
    for wrong in ({"size": 0}, {"size": 4, "channels": 2}):
        with pytest.raises(InputError) as error:
            folder.folder(str(tmp_path / "one"), **wrong)
        _one_line(error, "size", "channels")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "webp", "bmp", "tif"])
def test_errors_name_an_unreadable_image(tmp_path, kind, packed):
    root = tmp_path / "x"
    noise = np.random.default_rng(0).integers(0, 256, [30, 30, 3], dtype=np.uint8)
    for place in range(4):
        _save(root / f"{place}.{kind}", noise)
    whole = (root / f"2.{kind}").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no image", b""):
        (root / f"2.{kind}").write_bytes(damaged)
        path = _zip(root, tmp_path / "x.zip") if packed else str(root)
        with pytest.raises(InputError) as error:
            folder.folder(path, size=4)
        _one_line(error, f"cannot read 2.{kind} in {path} (", "mend or remove")
        assert "BytesIO" not in str(error.value)


def test_errors_name_a_damaged_or_encrypted_zip(tmp_path):
    root = tmp_path / "x"
    _pictures(root, ["0.bmp", "1.bmp"])
    path = pathlib.Path(_zip(root, tmp_path / "x.zip"))
    good = path.read_bytes()
    place = good.index(b"BM") + 60  # a byte of the stored pixels: the checksum of the zip fails
    path.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    with pytest.raises(InputError) as error:
        folder.folder(str(path), size=4)
    _one_line(error, ".bmp in", "CRC")
    # Encryption is bit 0 of the flags, at byte 8 of each entry of the central directory.
    locked = bytearray(good)
    start = good.index(b"PK\x01\x02")
    locked[start + 8] |= 1
    path.write_bytes(locked)
    with pytest.raises(InputError) as error:
        folder.folder(str(path), size=4)
    _one_line(error, "x.zip is encrypted")


# --- TFDS

# The versions are those of TFDS, so that its builders can read the prepared files.
_TFDS = ["mnist", "fashion_mnist", "cifar10", "svhn_cropped", "celeb_a"]


def _read(name, data_dir, split, key="image"):
    """Returns what TFDS reads."""
    examples = tfds.load(name, split=split, data_dir=data_dir, download=False)
    return [example[key] for example in tfds.as_numpy(examples)]


@pytest.fixture(autouse=True)
def _no_bars():
    tfds.disable_progress_bar()


@pytest.mark.parametrize("name", _TFDS)
def test_prepared_data_equal_those_that_tfds_reads(tmp_path, name, capfd, caplog):
    prepare(name, tmp_path)
    capfd.readouterr(), caplog.clear()
    result = tfds_images.tfds_images(name, data_dir=str(tmp_path))
    assert capfd.readouterr() == ("", "") and not caplog.records
    assert result.name == name
    for split, key, num in ((result.train, "train", 7), (result.test, "test", 3)):
        assert split.images.dtype == np.uint8 and split.labels.dtype == np.int32
        assert len(split.images) == num
        np.testing.assert_array_equal(split.images, _read(name, tmp_path, key))
        labels = [-1] * num if name == "celeb_a" else _read(name, tmp_path, key, "label")
        np.testing.assert_array_equal(split.labels, labels)
    assert (result.train.images[:3] != result.test.images).any()
    label = dict(tfds.builder(name, data_dir=tmp_path).info.features).get("label")
    assert list(result.classes) == (label.names if label else [])
    fewer = tfds_images.tfds_images(name, num_train=5, num_test=1, data_dir=str(tmp_path))
    np.testing.assert_array_equal(fewer.train.images, result.train.images[:5])
    np.testing.assert_array_equal(fewer.test.images, result.test.images[:1])
    with pytest.raises(InputError) as error:
        tfds_images.tfds_images(name, num_test=4, data_dir=str(tmp_path))
    _one_line(error, "num_test is 4", "1 to 3", name)


def test_validation_is_the_end_of_the_training_split_and_not_trained_on(tmp_path):
    prepare("mnist", tmp_path)  # 7 training images
    whole, labels = _read("mnist", tmp_path, "train"), _read("mnist", tmp_path, "train", "label")

    def make(**numbers):
        return tfds_images.tfds_images("mnist", data_dir=str(tmp_path), **numbers)

    result = make(num_train=4, num_validation=2)
    np.testing.assert_array_equal(result.train.images, whole[:4])
    np.testing.assert_array_equal(result.test.images, whole[5:])
    np.testing.assert_array_equal(result.test.labels, labels[5:])
    rest = make(num_validation=2)
    np.testing.assert_array_equal(rest.train.images, whole[:5])
    np.testing.assert_array_equal(rest.test.images, whole[5:])
    for num_train, wrong in ((5, 3), (5, 0), (5, -1), (0, 2), (None, 7)):
        with pytest.raises(InputError) as error:
            make(num_train=num_train, num_validation=wrong)
        _one_line(error, f"num_validation {wrong}", "together at most 7", "mnist")
    with pytest.raises(InputError, match="num_test and num_validation"):
        make(num_test=1, num_validation=1)


def test_first_examples_equal_the_slice_of_tfds_over_many_files(tmp_path):
    prepare("mnist", tmp_path, num_train=1020, num_test=3, num_shards=3)
    assert len(list(tmp_path.rglob("*train.tfrecord*"))) == 3
    result = tfds_images.tfds_images("mnist", num_train=1010, data_dir=str(tmp_path))
    np.testing.assert_array_equal(result.train.images, _read("mnist", tmp_path, "train[:1010]"))


@pytest.mark.parametrize("name, channels", [("mnist", 1), ("celeb_a", 3)])
def test_tfds_and_folder_give_equal_crops(tmp_path, name, channels):
    prepare(name, tmp_path)
    pixels = _read(name, tmp_path, "train")
    for place, image in enumerate(pixels):
        _save(tmp_path / "x" / f"{place}.png", image.squeeze())
    for crop in (crops.celeba_face, crops.whole, None):
        from_tfds = tfds_images.tfds_images(name, size=20, crop=crop, data_dir=str(tmp_path))
        same_crop = crop or crops.center_square
        from_folder = folder.folder(
            str(tmp_path / "x"), 20, channels, same_crop, split="last_names"
        )
        assert from_tfds.train.images.shape == (7, 20, 20, channels)
        both = np.concatenate([from_folder.train.images, from_folder.test.images])
        np.testing.assert_array_equal(from_tfds.train.images, both)


def test_images_of_different_sizes_need_a_size(tmp_path):
    prepare("caltech101", tmp_path)
    pixels = _read("caltech101", tmp_path, "train")
    assert len({image.shape for image in pixels}) > 1
    with pytest.raises(InputError) as error:
        tfds_images.tfds_images("caltech101", data_dir=str(tmp_path))
    _one_line(error, "caltech101 differ in size", "`size`")
    result = tfds_images.tfds_images("caltech101", size=5, data_dir=str(tmp_path))
    assert result.train.images.shape == (7, 5, 5, 3)


def test_white_stored_as_1_becomes_255(tmp_path):
    prepare("binarized_mnist", tmp_path, max_value=2)
    assert set(np.unique(_read("binarized_mnist", tmp_path, "train"))) == {0, 1}
    result = tfds_images.tfds_images("binarized_mnist", data_dir=str(tmp_path))
    assert set(np.unique(result.train.images)) == {0, 255}


def test_missing_data_raise_an_error_at_once(tmp_path, capfd, caplog):
    for name in _TFDS:
        begin = time.monotonic()
        with pytest.raises(InputError) as error:
            tfds_images.tfds_images(name, data_dir=str(tmp_path))
        assert time.monotonic() - begin < 3
        _one_line(error, name, str(tmp_path), f"tools.prepare_data {name}", "TFDS_DATA_DIR")
    assert capfd.readouterr() == ("", "") and not caplog.records
    assert not list(tmp_path.iterdir())


def test_errors_name_wrong_arguments_of_tfds_images(tmp_path):
    for kwargs, words in [
        ({"name": "celeba"}, ["'celeba'", "celeb_a"]),
        ({"name": "CIFAR_10"}, ["'CIFAR_10'", "cifar10"]),
        ({"name": "qqqq"}, ["'qqqq'", "mnist"]),
        ({"name": "mnist", "crop": crops.whole}, ["mnist", "size"]),
        ({"name": "mnist", "size": 0}, ["size is 0"]),
    ]:
        with pytest.raises(InputError) as error:
            tfds_images.tfds_images(**kwargs, data_dir=str(tmp_path))
        _one_line(error, *words)


def test_errors_name_data_without_images_or_test_split(tmp_path):
    prepare("iris", tmp_path)
    prepare("mnist", tmp_path, num_test=0)
    for name, words in (("iris", ["no 8-bit images"]), ("mnist", ["splits train:", "test"])):
        with pytest.raises(InputError) as error:
            tfds_images.tfds_images(name, data_dir=str(tmp_path))
        _one_line(error, name, *words)


def test_errors_name_damaged_data(tmp_path):
    prepare("mnist", tmp_path)
    (file,) = tmp_path.rglob("*test.tfrecord*")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) - 40])
    with pytest.raises(InputError) as error:
        tfds_images.tfds_images("mnist", data_dir=str(tmp_path))
    _one_line(error, "mnist is damaged", str(file.parent), "prepare_data")
    file.unlink()
    with pytest.raises(InputError) as error:
        tfds_images.tfds_images("mnist", data_dir=str(tmp_path))
    _one_line(error, "mnist is damaged")


@pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set")
def test_the_real_mnist_has_the_known_counts_and_mean():
    data_dir = pathlib.Path(os.environ["TFDS_DATA_DIR"])
    if not (data_dir / "mnist").exists():
        pytest.skip("TFDS_DATA_DIR holds no mnist")
    result = tfds_images.tfds_images("mnist", data_dir=str(data_dir))
    assert result.train.images.shape == (60000, 28, 28, 1)
    assert result.test.images.shape == (10000, 28, 28, 1)
    # The counts of the digit 1, and the mean that is commonly used to normalise.
    assert (result.train.labels == 1).sum() == 6742 and (result.test.labels == 1).sum() == 1135
    assert result.train.images.mean() / 255 == pytest.approx(0.1307, abs=1e-4)


def _prepare_data(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "tools.prepare_data", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=pathlib.Path(__file__).parents[2],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


def test_the_tool_reports_the_prepared_splits(tmp_path):
    prepare("mnist", tmp_path)
    done = _prepare_data("mnist", f"--data_dir={tmp_path}")
    assert done.returncode == 0
    assert done.stdout.startswith("mnist: 7 train, 3 test in ") and done.stdout.count("\n") == 1


def test_the_tool_checks_the_checksums_of_manual_files(tmp_path):
    manual = tmp_path / "manual"
    manual.mkdir()
    for kind in ("images-idx3", "labels-idx1"):
        for split in ("train", "t10k"):
            (manual / f"{split}-{kind}-ubyte.gz").write_bytes(b"not the real file")
    done = _prepare_data("mnist", f"--data_dir={tmp_path}", f"--manual_dir={manual}")
    assert done.returncode == 2 and not done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert (
        last.startswith("tools.prepare_data: mnist: NonMatchingChecksumError") and "--help" in last
    )


# --- digits and toys


def test_digits_have_the_expected_splits_and_levels():
    result = digits.digits()
    assert result.name == "digits"
    assert result.train.images.shape == (1500, 8, 8, 1)
    assert result.test.images.shape == (297, 8, 8, 1)
    pixels, labels = load_digits(return_X_y=True)
    levels = {0: 0, 1: 16, 4: 64, 8: 128, 15: 239, 16: 255}
    both = np.concatenate([result.train.images, result.test.images]).reshape(-1, 64)
    for level, byte in levels.items():
        assert set(both[pixels == level]) == {byte}
    np.testing.assert_array_equal(result.test.labels, labels[-297:])
    for wrong in (0, 1797):
        with pytest.raises(InputError) as error:
            digits.digits(num_test=wrong)
        _one_line(error, f"num_test is {wrong}", "1796")


_TOYS = [
    synthetic.gaussians_ring,
    synthetic.gaussians_grid,
    synthetic.mixture,
    synthetic.spiral,
    synthetic.swiss_roll,
]


def _along(speed, std):
    """Returns -E log |c'(u)| - 1/2 - 1/2 log 2 pi std^2, nats.

    This is the mean log density of noise around a curve without ends.
    """
    position = (np.arange(2000) + 0.5) / 2000
    return -np.mean(np.log(speed(position))) - 0.5 - 0.5 * np.log(2 * np.pi * std**2)


@pytest.mark.parametrize(
    "make, published, unit",
    [
        # Mean log densities of well separated modes: -log M - 1 - log 2 pi std^2, nats.
        (synthetic.gaussians_grid, 2.014, 2),
        (synthetic.gaussians_ring, 3.600, 2),
        (synthetic.mixture, -np.log(9) - 1 - np.log(2 * np.pi * 0.05**2), 1.25),
        (synthetic.spiral, _along(lambda u: np.hypot(2, 2 * np.pi * (2 * u + 1)) / 3, 0.01), 1.05),
        (
            synthetic.swiss_roll,
            _along(lambda u: np.pi * np.hypot(1, 1.5 * np.pi * (1 + 2 * u)) / 2.5, 0.25 / 7.5),
            2,
        ),
    ],
)
def test_toys_have_the_published_density(make, published, unit):
    result = make(num_train=20_000, num_test=2000, seed=0)
    points, distribution = result.test.images, result.distribution
    assert points.shape == (2000, 2) and points.dtype == np.float32
    assert result.unit == unit
    log_density = distribution.log_prob(points)
    error = log_density.std() / np.sqrt(2000)
    assert abs(log_density.mean() - 2 * np.log(unit) - published) < 4 * error + 0.01
    # Power: the test detects a std that is wrong by a fifth.
    wrong = distribution._replace(std=0.8 * distribution.std).log_prob(points)
    assert log_density.mean() - wrong.mean() > 3 * (log_density - wrong).std() / np.sqrt(2000)
    assert np.abs(result.train.images).max() <= 1


@pytest.mark.parametrize(
    "make, curve, std, unit",
    [
        (synthetic.spiral, synthetic.spiral_curve, 0.01, 1.05),
        (synthetic.swiss_roll, synthetic.swiss_roll_curve, 0.25 / 7.5, 2),
    ],
)
def test_the_distribution_of_a_curve_is_an_integral_along_the_curve(make, curve, std, unit):
    distribution, position = make(1, 1, seed=0).distribution, np.array([0.0, 0.3, 0.7, 1.0])
    for u, point in zip(position, curve(position) + [2 * std, -std], strict=True):

        def density(u, point=point):
            square = np.sum((curve(np.asarray(u)) - point) ** 2)
            return np.exp(-square / (2 * std**2)) / (2 * np.pi * std**2)

        expected = np.log(quad(density, 0, 1, points=[u], limit=200)[0])
        (found,) = distribution.log_prob(point[None] / unit) - 2 * np.log(unit)
        # The grid of positions is least exact beyond an end of the curve.
        assert found == pytest.approx(expected, abs=1e-3 if 0 < u < 1 else 5e-3)


def test_a_plane_distribution_has_hand_computed_values():
    distribution = PlaneDistribution(np.array([[0.0, 0.0], [3.0, 4.0]]), 0.5, np.array([0, 1]))
    points = np.array([[0.0, 0.0], [3.0, 3.0], [1.5, 2.0]])
    # Squared distances 0 and 25, 18 and 1, 6.25 and 6.25; 2 std^2 = 1 / 2.
    kernels = np.exp([[0, -50], [-36, -2], [-12.5, -12.5]])
    expected = np.log(kernels.mean(axis=1) / (np.pi / 2))
    np.testing.assert_allclose(distribution.log_prob(points), expected, rtol=1e-12)
    distance, piece = distribution.nearest(points[:2])
    np.testing.assert_allclose(distance, [0, 1])
    assert list(piece) == [0, 1] and distribution.is_mixture
    joined = distribution._replace(centers=np.eye(3, 2), pieces=np.array([0, 1, 1]))
    np.testing.assert_allclose(joined.shares, [1 / 3, 2 / 3])
    assert not joined.is_mixture


def test_pieces_have_equal_probability():
    for make in _TOYS:
        result = make(20_000, 1, seed=2)
        num = len(result.distribution.shares)
        assert num == {"gaussians_ring": 8, "gaussians_grid": 25, "mixture": 9}.get(result.name, 20)
        np.testing.assert_allclose(result.distribution.shares, 1 / num)
        counts = np.bincount(result.distribution.nearest(result.train.images)[1], minlength=num)
        assert np.abs(counts - 20_000 / num).max() < 4.5 * np.sqrt(20_000 / num)
        assert np.all(np.diff(result.distribution.pieces) >= 0)


@pytest.mark.parametrize(
    "make", [synthetic.gaussians_grid, synthetic.gaussians_ring, synthetic.mixture]
)
def test_labels_are_modes_and_noise_is_normal(make):
    result = make(num_train=20_000, num_test=1, seed=1)
    (points, labels), distribution = result.train, result.distribution
    assert distribution.is_mixture
    noise = (points - distribution.centers[labels]) / distribution.std
    # Mean and variance of 40,000 standard normals, within four standard errors.
    assert abs(noise.mean()) < 4 / np.sqrt(40_000)
    assert abs(noise.var() - 1) < 4 * np.sqrt(2 / 40_000)


def test_centers_have_hand_computed_values():
    ring = 1.414 * synthetic.ring_centers()
    np.testing.assert_allclose(ring[:3:2], [[2, 0], [0, 2]], atol=1e-12)
    np.testing.assert_allclose(synthetic.ring_centers(4)[1], [0, 2 / 1.414], atol=1e-12)
    grid = 2.828 * synthetic.grid_centers()
    np.testing.assert_allclose(grid[[0, 1, 12, 24]], [[-4, -4], [-4, -2], [0, 0], [4, 4]])
    grid = synthetic.gaussians_grid(1, 1, seed=0)
    np.testing.assert_allclose(grid.distribution.std * grid.unit, 0.017680, atol=1e-6)
    nine = synthetic.mixture(1, 1, seed=0).distribution
    np.testing.assert_allclose(nine.centers[[0, 1, 4]], [[-0.8, -0.8], [-0.8, 0], [0, 0]])
    assert nine.std == pytest.approx(0.04) and len(nine.centers) == 9
    assert len(synthetic.gaussians_ring(9, 9, 0, num_modes=3).distribution.centers) == 3


def test_curves_have_hand_computed_values():
    u = np.array([0, 0.25, 1])
    spiral = [[0, 1 / 3], [0.5, 0], [0, 1]]
    np.testing.assert_allclose(synthetic.spiral_curve(u), spiral, atol=1e-12)
    t = 1.5 * np.pi * np.array([1, 1.5, 3])
    roll = t[:, None] * np.stack([np.cos(t), np.sin(t)], -1) / 7.5
    np.testing.assert_allclose(synthetic.swiss_roll_curve(u), roll, atol=1e-12)


@pytest.mark.parametrize("make, margin", [(synthetic.spiral, 0.03), (synthetic.swiss_roll, 0.01)])
def test_curves_have_uniform_positions_and_normal_noise(make, margin):
    result = make(num_train=4000, num_test=1, seed=0)
    (points, labels), distribution = result.train, result.distribution
    assert set(labels) == {-1} and not distribution.is_mixture
    # Each center is its own piece here, so the piece is the place along the curve.
    distance, place = distribution._replace(pieces=np.arange(4000)).nearest(points)
    position = place / 4000
    inner = (position > margin) & (position < 1 - margin)
    # Across the curve the noise is one-dimensional: E d^2 = std^2, Var d^2 = 2 std^4.
    ratio = np.mean(distance[inner] ** 2) / distribution.std**2
    assert abs(ratio - 1) < 5 * np.sqrt(2 / inner.sum())
    counts = np.histogram(position[inner], bins=10, range=(margin, 1 - margin))[0]
    # 27.9 is the 0.999 quantile of chi-squared with 9 degrees of freedom.
    assert np.sum((counts - counts.mean()) ** 2) / counts.mean() < 27.9


def test_the_swiss_roll_equals_that_of_scikit_learn():
    rolled = make_swiss_roll(4000, noise=0.25, random_state=0)[0][:, [0, 2]] / 15
    ours = synthetic.swiss_roll(4000, 1, seed=0)
    theirs, mine = ours.distribution.log_prob(rolled), ours.distribution.log_prob(ours.train.images)
    error = np.sqrt((theirs.var() + mine.var()) / 4000)
    assert abs(theirs.mean() - mine.mean()) < 4 * error
    # Power: with half the noise, the difference exceeds the tolerance.
    half = make_swiss_roll(4000, noise=0.125, random_state=0)[0][:, [0, 2]] / 15
    assert abs(ours.distribution.log_prob(half).mean() - mine.mean()) > 4 * error


@pytest.mark.parametrize("make", _TOYS)
def test_toys_depend_only_on_the_seed(make):
    one, same, other = make(50, 20, seed=5), make(50, 30, seed=5), make(50, 20, seed=6)
    np.testing.assert_array_equal(one.train.images, same.train.images)
    assert (one.train.images != other.train.images).all()
    assert not set(one.train.images.ravel()) & set(one.test.images.ravel())
    for wrong in ((0, 1), (1, 0)):
        with pytest.raises(InputError) as error:
            make(*wrong, seed=0)
        _one_line(error, one.name, "num_train")


def test_a_ring_needs_at_least_one_mode():
    with pytest.raises(InputError) as error:
        synthetic.gaussians_ring(5, 5, seed=0, num_modes=0)
    _one_line(error, "num_modes is 0")


@pytest.mark.parametrize("value", [np.nan, np.inf, 255.0])
def test_observations_out_of_range_raise_an_error(value):
    good = Split(np.zeros([2, 3], np.float32), np.zeros(2, np.int32))
    bad = Split(np.array([[0, 0, 0], [0, value, 0]], np.float32), good.labels)
    with pytest.raises(InputError, match=r"toy has NaN or is not scaled to \[-1, 1\]"):
        Dataset("toy", good, bad)
