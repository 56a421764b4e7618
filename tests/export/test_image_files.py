"""Files in a graph become the very pixels that training makes of them."""

import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from exported import file
from tf_shortrun.data import crops, decoding
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.export import image_files

PREPARATIONS = {
    "grey": Preparation(12, 12, 1),
    "wide, over grey": Preparation(10, 17, 3, background=100),
    "square": Preparation(9, 9, 3, crops.center_square),
    "whole": Preparation(16, 16, 3, crops.whole),
    "face": Preparation(16, 16, 1, crops.celeba_face),
}
# Sizes at which Pillow resizes rows first, columns first, and not at all.
SIZES = ((12, 12), (218, 178), (45, 67), (17, 9), (160, 30), (31, 33))


def smooth(height, width, channels, rng):
    small = Image.fromarray(rng.integers(0, 256, [6, 6, 4], np.uint8), "RGBA")
    pixels = np.asarray(small.resize((width, height)))[..., :channels]
    noisy = pixels + rng.integers(-20, 20, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8).squeeze())


def saved(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def kinds(height, width, rng):
    """Returns files of every kind: colour, grey, transparent, palette, 16 bits, CMYK, turned."""
    colour, grey, alpha = (smooth(height, width, c, rng) for c in (3, 1, 4))
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 251)
    made = [saved(image, "PNG") for image in (colour, grey, alpha, alpha.convert("LA"), deep)]
    made += [saved(colour.quantize(), "PNG"), saved(colour.convert("CMYK"), "JPEG")]
    made += [saved(image, "JPEG", quality=q) for image in (colour, grey) for q in (60, 95)]
    for kind, order in (("JPEG", "MM"), ("PNG", "II")):
        exif = Image.Exif()
        exif.endian = "<" if order == "II" else ">"
        exif[0x010E], exif[0x0112] = "a description", int(rng.integers(2, 9))
        made.append(saved(colour, kind, exif=exif))
    return made


@pytest.mark.parametrize("name", PREPARATIONS)
def test_pixels_are_those_of_training(name):
    prepare, rng = PREPARATIONS[name], np.random.default_rng(0)
    graph = tf.function(lambda files: image_files.prepare(files, prepare))
    files = [content for size in SIZES for content in kinds(*size, rng)]
    made = (graph(tf.constant(files)).numpy() + 1) * 127.5
    expected = np.stack([prepare(decoding.header(content))[0] for content in files])
    np.testing.assert_array_equal(np.rint(made), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(orientation):
    prepare, image = Preparation(8, 6, 3, crops.whole), smooth(6, 8, 3, np.random.default_rng(1))
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "JPEG"):
        content = saved(image, kind, exif=exif)
        made = (image_files.prepare(tf.constant([content]), prepare)[0] + 1) * 127.5
        np.testing.assert_array_equal(np.rint(made), prepare(decoding.header(content))[0])


def test_png_files_have_the_pixels():
    x = np.random.default_rng(0).uniform(-1, 1, [2, 3, 4, 3]).astype(np.float32)
    for content, image in zip(image_files.to_png(tf.constant(x)).numpy(), x, strict=True):
        pixels = np.asarray(Image.open(io.BytesIO(content)))
        np.testing.assert_array_equal(pixels, np.rint((image + 1) * 127.5))


def huge():
    data = bytearray(file(np.zeros([2, 2], np.uint8)))
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


BAD = {
    "empty": (b"", "a picture must be a PNG or JPEG file"),
    "text": (b"no picture", "a picture must be a PNG or JPEG file"),
    "GIF": (file(np.zeros([9, 9], np.uint8), "GIF"), "a picture must be a PNG or JPEG file"),
    "short PNG": (file(np.zeros([9, 9], np.uint8))[:20], "a picture must be a PNG or JPEG file"),
    "cut PNG": (file(np.zeros([99, 99, 3], np.uint8))[:60], "PNG"),
    "cut JPEG": (file(np.zeros([99, 99, 3], np.uint8), "JPEG")[:40], "JPEG"),
    "bomb": (huge(), "a picture must have at most 16777216 pixels: shrink it; it has"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_picture_is_refused_with_a_reason(case):
    content, words = BAD[case]
    graph = tf.function(lambda files: image_files.prepare(files, Preparation(8, 8, 3)))
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        graph(tf.constant([content]))
    assert words in error.value.message


def test_a_mask_is_not_resized():
    light = np.uint8([[255, 0, 128], [127, 200, 0]])
    made = image_files.masks(tf.constant([file(light)]), 2, 3)
    assert made.numpy()[0, ..., 0].tolist() == [[True, False, True], [False, True, False]]
    with pytest.raises(tf.errors.InvalidArgumentError, match="a picture of 4 x 3 pixels"):
        image_files.masks(tf.constant([file(light)]), 4, 3)


def test_a_crop_of_the_user_is_left_to_the_client():
    assert not image_files.can_prepare(Preparation(8, 8, 3, lambda h, w: (0.0, 0.0, w, h)))
    assert not image_files.can_prepare(None)
    assert all(map(image_files.can_prepare, PREPARATIONS.values()))
