"""How a picture becomes an observation, in training and afterwards."""

import json

import numpy as np
import pytest
from PIL import Image

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import card, crops
from tf_shortrun.data.folder import folder
from tf_shortrun.data.preparation import Preparation, read

RNG = np.random.default_rng(0)


def picture(height, width):
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def my_crop(height, width):
    return 0.0, 0.0, width / 2, height / 2


@pytest.mark.parametrize(
    ("size", "aspect", "box"),
    [((40, 60), 1.0, (10, 0, 50, 40)), ((40, 60), 2.0, (0, 5, 60, 35)),
     ((60, 40), 0.5, (5, 0, 35, 60)), ((10, 10), 1.0, (0, 0, 10, 10))],
)  # fmt: skip
def test_the_box_in_the_middle_is_as_large_as_fits(size, aspect, box):
    assert crops.center(*size, aspect) == box


@pytest.mark.parametrize("size", [5, (4, 9), (9, 4)])
def test_a_picture_is_prepared_as_the_training_images_were(tmp_path, size):
    for i, one in enumerate([picture(20, 30), picture(30, 20), picture(12, 12)]):
        one.save(tmp_path / f"{i}.png")
    data = folder(str(tmp_path), size)
    kept = read(json.loads(json.dumps(data.preparation.describe())))
    for image, name in zip([*data.train.images, *data.test.images], "012", strict=True):
        again, converted = kept(Image.open(tmp_path / f"{name}.png"))
        np.testing.assert_array_equal(again, image)
        assert converted == []
    height, width = (size, size) if isinstance(size, int) else size
    assert data.image_shape == kept.shape == (height, width, 3)


def test_a_picture_that_is_not_square_is_cut_and_not_stretched():
    """The left half black, the right half white: a tall cut of the middle has as much of both."""
    halves = np.zeros([8, 32, 3], np.uint8)
    halves[:, 16:] = 255
    cut = Preparation(8, 4, 1).resize(Image.fromarray(halves).convert("L"))[..., 0]
    np.testing.assert_array_equal(cut, [[0, 0, 255, 255]] * 8)


def test_a_crop_is_known_again_by_its_name_and_code_of_the_user_is_not_run():
    face = Preparation(4, 4, 3, crops.celeba_face, background=7)
    assert read(face.describe()) == face
    assert read(Preparation(4, 4, 3, my_crop).describe()) is None


@pytest.mark.parametrize("wrong", [(0, 4, 3), (4, -1, 3), (4, 4, 2), (4, 4, 3, None, 256)])
def test_a_preparation_that_makes_no_picture_is_refused(wrong):
    with pytest.raises(InputError, match="choose"):
        Preparation(*wrong)


def test_a_card_stands_in_for_data_that_are_gone(tmp_path):
    for i in range(12):
        (tmp_path / ("cats", "dogs")[i % 2]).mkdir(exist_ok=True)
        picture(6, 6).save(tmp_path / ("cats", "dogs")[i % 2] / f"{i:02d}.png")
    data = folder(str(tmp_path), 4, name="pets")
    card.write(tmp_path, data)
    blank = card.stand_in(tmp_path)
    assert (blank.name, blank.image_shape, blank.preparation) == (
        "pets",
        (4, 4, 3),
        data.preparation,
    )
    assert [len(split.images) for split in (blank.train, blank.test)] == [8, 4]
    assert not blank.train.images.any()
    assert list(blank.classes) == list(data.classes) == ["cats", "dogs"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"name": 1, "shape": 3}', "\x00\xff"])
def test_a_damaged_card_is_refused_in_one_line(tmp_path, text):
    (tmp_path / "data.json").write_text(text)
    with pytest.raises(InputError, match=r"data\.json cannot be read") as error:
        card.stand_in(tmp_path)
    assert "\n" not in str(error.value)
