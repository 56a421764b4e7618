"""PNG and JPEG files as tensors of strings, prepared as in training, as part of a graph.

The pixels are those of `data/preparation.py`: the first bytes of 16, the picture turned as its EXIF
data say, the background where it is transparent, Pillow's grey, the crop, Pillow's resize. They are
equal; for a JPEG file they are as long as TensorFlow and Pillow decode it by the same library.
Other formats and boxes of the user's own code are left to the client.
"""

from typing import TypeGuard

import tensorflow as tf

from tf_shortrun.data import crops
from tf_shortrun.data.columns import Columns
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.export import checks, resampling

# Of one picture; larger ones are for the client to shrink.
MAX_PIXELS = 2**24
_PNG = b"\x89PNG\r\n\x1a\n"
# The entry Orientation (0x0112, a short) of the first directory of EXIF data, in either byte order.
_ORIENTATIONS = (
    r"(?s)\C*?MM\x00\*\C*?\x01\x12\x00\x03\x00\x00\x00\x01\x00([\x01-\x08])\C*",
    r"(?s)\C*?II\*\x00\C*?\x12\x01\x03\x00\x01\x00\x00\x00([\x01-\x08])\C*",
)
_EXIF_BYTES = 2**16  # EXIF data are in the first segment of a JPEG file, which is no longer
_GREY = (19595.0, 38470.0, 7471.0)  # of red, green and blue, over 2^16


def can_prepare(preparation: Preparation | Columns | None) -> TypeGuard[Preparation]:
    """Returns whether it is one of pictures, and a graph can do what it does."""
    return isinstance(preparation, Preparation) and preparation.crop in (None, *_BOXES)


def prepare(files: tf.Tensor, preparation: Preparation) -> tf.Tensor:
    """Returns the observations of files, strings [B]: float32 [B, H, W, C] on [-1, 1]."""
    height, width, channels = preparation.shape

    def one(data):
        image = _decode(data)
        size = tf.cast(tf.shape(image)[:2], tf.float64)
        box = _BOXES[preparation.crop](size[0], size[1], width / height)
        of_row = _of_row(channels, preparation.background)
        return tf.cast(resampling.resize(image, box, height, width, channels, of_row), tf.float32)

    spec = tf.TensorSpec(preparation.shape, tf.float32)
    # One at a time, so that one picture alone needs memory.
    return tf.map_fn(one, files, parallel_iterations=1, fn_output_signature=spec) / 127.5 - 1.0


def masks(files: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Returns masks, true where a picture is light: bool [B, H, W, 1].

    A mask is not resized: its picture must have H x W pixels.
    """

    def one(data):
        image = _decode(data)
        pattern = rf"\[{height} {width} 4\]"
        message = f"a mask must be a picture of {height} x {width} pixels, light where one sees"
        image = checks.checked(image, [checks.reads(tf.shape(image), pattern, message)])
        return _of_row(1, 255)(tf.reshape(image, [-1, 4])) > 127.0

    spec = tf.TensorSpec([height * width, 1], tf.bool)
    return tf.reshape(tf.map_fn(one, files, fn_output_signature=spec), [-1, height, width, 1])


def to_png(images: tf.Tensor) -> tf.Tensor:
    """Returns PNG files, strings [B], of images [B, H, W, C] on [-1, 1]."""
    pixels = tf.cast(tf.round((tf.clip_by_value(images, -1.0, 1.0) + 1.0) * 127.5), tf.uint8)
    return tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)


def _decode(data: tf.Tensor) -> tf.Tensor:
    """Returns one picture, upright, with an alpha channel: uint8 [H, W, 4]."""
    is_jpeg = tf.io.is_jpeg(data)
    is_png = (tf.strings.substr(data, 0, 8) == _PNG) & (tf.strings.length(data) > 24)
    data = checks.checked(data, [(is_jpeg | is_png, "a picture must be a PNG or JPEG file")])
    size = tf.cond(is_jpeg, lambda: tf.image.extract_jpeg_shape(data)[:2], lambda: _png_size(data))
    area = tf.reduce_prod(tf.cast(size, tf.float64))
    message = f"a picture must have at most {MAX_PIXELS} pixels: shrink it; it has"
    data = checks.checked(data, [((area >= 1) & (area <= MAX_PIXELS), message, area)])
    image = tf.cond(is_jpeg, lambda: _jpeg(data), lambda: tf.io.decode_png(data, 4))
    return _upright(tf.ensure_shape(image, [None, None, 4]), data)


def _png_size(data: tf.Tensor) -> tf.Tensor:
    words = tf.io.decode_raw(tf.strings.substr(data, 16, 8), tf.int32, little_endian=False)
    return tf.reverse(words, [0])


def _jpeg(data: tf.Tensor) -> tf.Tensor:
    image = tf.io.decode_jpeg(data, 3, dct_method="INTEGER_ACCURATE")
    return tf.pad(image, [[0, 0], [0, 0], [0, 1]], constant_values=255)


def _upright(image: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    """Returns the image turned as EXIF data in the file say, as Pillow does."""
    head = tf.strings.substr(data, 0, _EXIF_BYTES)
    number = tf.constant(1)
    for pattern in _ORIENTATIONS:
        found = tf.strings.regex_replace(head, pattern, r"\1")
        digit = tf.io.decode_raw(tf.strings.substr(found, 0, 1), tf.uint8)[0]
        is_found = tf.strings.regex_full_match(head, pattern)
        number = tf.where(is_found, tf.cast(digit, tf.int32), number)
    turns = {
        2: lambda: image[:, ::-1],
        3: lambda: image[::-1, ::-1],
        4: lambda: image[::-1],
        5: lambda: _transposed(image),
        6: lambda: _transposed(image)[:, ::-1],
        7: lambda: _transposed(image)[::-1, ::-1],
        8: lambda: _transposed(image)[::-1],
    }
    return tf.switch_case(number, {0: lambda: image, 1: lambda: image} | turns)


def _transposed(image: tf.Tensor) -> tf.Tensor:
    return tf.transpose(image, [1, 0, 2])


def _of_row(channels: int, background: int):
    """Returns a function of pixels with alpha, uint8 [W, 4] -> float64 [W, C] of integers."""

    def of_row(row):
        colour, alpha = tf.split(tf.cast(row, tf.float64), [3, 1], axis=1)
        mixed = colour * alpha + background * (255.0 - alpha) + 128.0
        # Division by 255, rounded as Pillow does.
        colour = tf.floor((128.0 * mixed + tf.floor(mixed / 2.0)) / 2.0**15)
        if channels == 3:
            return colour
        grey = tf.matmul(colour, tf.constant(_GREY, tf.float64)[:, None])
        return tf.floor((grey + 2.0**15) / 2.0**16)

    return of_row


def _center(height: tf.Tensor, width: tf.Tensor, aspect: float) -> resampling.Box:
    """Returns the box of `crops.center`."""
    inner_height = tf.minimum(height, width / aspect)
    inner_width = tf.minimum(width, height * aspect)
    left, top = (width - inner_width) / 2, (height - inner_height) / 2
    return left, top, left + inner_width, top + inner_height


_BOXES = {
    None: _center,
    crops.center_square: lambda height, width, _: _center(height, width, 1.0),
    crops.whole: lambda height, width, _: (
        tf.zeros_like(width),
        tf.zeros_like(width),
        width,
        height,
    ),
    crops.celeba_face: lambda height, width, _: crops.celeba_face(height, width),
}
