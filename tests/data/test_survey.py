"""What is found in a folder of images, and the size that is proposed for them."""

import numpy as np
import pytest
from PIL import Image

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import survey


def save(path, height, width, mode="L", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.arange(height * width, dtype=np.uint8).reshape(height, width))
    image.convert(mode).save(path, **options)


def test_sizes_modes_and_what_cannot_be_read_are_said(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    save(tmp_path / "a/1.png", 20, 30)
    save(tmp_path / "a/2.png", 40, 60, exif=turned)
    save(tmp_path / "b/3.jpg", 30, 30, "RGB")
    (tmp_path / "b/4.png").write_bytes(b"no image")
    (tmp_path / "b/notes.txt").write_text("")
    found = survey.look(str(tmp_path))
    assert found.sizes == [(20, 30), (60, 40), (30, 30)] and found.channels == 1
    first, *lines = found.describe()
    assert first == "4 images, 20 to 60 (median 30) high, 30 to 40 (median 30) wide"
    assert lines[:2] == ["grey: 2 L, 1 RGB", "2 classes"]
    assert lines[2].startswith("1 cannot be read: b/4.png (") and "1 .txt left out" in lines[3]


def test_grey_is_what_has_no_colour_in_any_mode(tmp_path):
    for number, mode in enumerate(("L", "RGB", "LA", "P", "RGBA", "1")):
        save(tmp_path / f"{number}.png", 20, 20, mode)
    assert survey.look(str(tmp_path)).channels == 1
    Image.new("RGB", (20, 20), "red").save(tmp_path / "red.png")
    assert survey.look(str(tmp_path)).channels == 3


def test_of_many_images_some_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "_MOST", 3)
    for number in range(9):
        save(tmp_path / f"{number}.png", 20 + number, 20)
    found = survey.look(str(tmp_path))
    assert [height for height, _ in found.sizes] == [20, 24, 28]
    assert found.describe()[0].startswith("9 images, 3 looked at")


@pytest.mark.parametrize(
    ("sizes", "proposed"),
    [
        ([(28, 28)], (24, 24)),
        ([(32, 32)], (32, 32)),
        ([(30, 40)], (24, 32)),
        ([(480, 640)], (64, 88)),
        ([(640, 480)], (88, 64)),
        ([(1000, 1010)], (64, 64)),
        ([(8, 8)], (16, 16)),
        ([(50, 5000)], (48, 256)),
        ([(20, 20), (64, 64), (65, 64)], (64, 64)),
    ],
)
def test_the_proposed_size_has_the_usual_shape(sizes, proposed):
    found = survey.Survey(9, 9, sizes, {}, {}, False, {}, 0)
    assert survey.propose(found, 64) == proposed


def test_images_that_cannot_be_read_at_all_are_one_line(tmp_path):
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"^no image in .* can be read, e.g. 1.png \("):
        survey.look(str(tmp_path))
