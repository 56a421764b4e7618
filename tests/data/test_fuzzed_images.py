"""Whatever bytes a folder or a zip of images has: images of the asked shape, or one line."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from damage import damaged_bytes
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.folder import folder

KINDS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def encoded(kind):
    pixels = np.random.default_rng(0).integers(0, 256, [6, 5, 3], dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


GOOD = encoded("PNG")


def packed(method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name in ("a/0.png", "b/1.png"):
            archive.writestr(name, GOOD)
    return file.getvalue()


def check(path, channels):
    """Checks what comes of a path; both images of it, or one line."""
    try:
        data = folder(str(path), 4, channels, num_test=1)
    except InputError as error:
        assert str(error).isprintable() and ": " in str(error)
        return
    for split in (data.train, data.test):
        assert split.images.shape == (1, 4, 4, channels) and split.images.dtype == np.uint8
        assert len(split.labels) == 1


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    (folder / "good.png").write_bytes(GOOD)
    return folder


@given(st.sampled_from(KINDS).map(encoded).flatmap(damaged_bytes), st.sampled_from([1, 3]))
def test_a_damaged_image_is_read_or_refused_in_one_line(place, data, channels):
    (place / "bad.png").write_bytes(data)
    check(place, channels)


@given(st.sampled_from(METHODS).map(packed).flatmap(damaged_bytes))
def test_a_damaged_zip_is_read_or_refused_in_one_line(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(data)
    check(path, 3)
