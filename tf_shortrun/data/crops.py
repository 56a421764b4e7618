"""Crops as functions of the height and width of an image, and the resize after the crop.

A crop returns a box (left, top, right, bottom) in pixels, counted from the top left corner.
The numbers are real and not rounded, because the resize interpolates between pixels.
"""

from collections.abc import Callable

from PIL import Image

Box = tuple[float, float, float, float]
Crop = Callable[[int, int], Box]


def whole(height: int, width: int) -> Box:
    """Returns the box of the whole image; an image that is not square is stretched."""
    return 0.0, 0.0, float(width), float(height)


def center(height: int, width: int, aspect: float) -> Box:
    """Returns the largest box in the middle whose width is `aspect` times its height."""
    inner_height, inner_width = min(height, width / aspect), min(width, height * aspect)
    left, top = (width - inner_width) / 2, (height - inner_height) / 2
    return left, top, left + inner_width, top + inner_height


def center_square(height: int, width: int) -> Box:
    """Returns the box of the largest square in the middle."""
    return center(height, width, 1.0)


def celeba_face(height: int, width: int) -> Box:
    """Returns the box of the face in an aligned CelebA image: rows 45:173, columns 25:153.

    These are for 218 x 178 pixels. The box scales with height and width, so that a copy of any
    size gives the same face.

    References: B. Pang, T. Han, E. Nijkamp, S.-C. Zhu, Y. N. Wu, Learning latent space
    energy-based prior model, NeurIPS 2020 (the crop of its released code).
    """
    return 25 / 178 * width, 45 / 218 * height, 153 / 178 * width, 173 / 218 * height


def crop_and_resize(image: Image.Image, box: Box, height: int, width: int) -> Image.Image:
    """Returns the contents of `box`, resized to `height` x `width` pixels.

    The resize is bilinear, with a wider kernel to shrink (antialiased), as in the code of the
    papers.
    """
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box)
