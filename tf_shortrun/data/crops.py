"""Crops as functions of an image's height and width, and the resize that follows.

A crop returns a box (left, top, right, bottom) in pixels, counted from the top left
corner. Boxes are real numbers: `resize` samples between pixels, so no box is rounded.
"""

from collections.abc import Callable

from PIL import Image

Box = tuple[float, float, float, float]
Crop = Callable[[int, int], Box]


def whole(height: int, width: int) -> Box:
    """The whole image; one that is not square is stretched."""
    return 0.0, 0.0, float(width), float(height)


def center_square(height: int, width: int) -> Box:
    """The largest square in the middle."""
    side = min(height, width)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def celeba_face(height: int, width: int) -> Box:
    """The face of an aligned CelebA image: rows 45:173, columns 25:153 of 218 x 178.

    In fractions of height and width, so that a copy of any size gives the same face.

    References: B. Pang, T. Han, E. Nijkamp, S.-C. Zhu, Y. N. Wu, Learning latent space
    energy-based prior model, NeurIPS 2020 (the crop of its released code).
    """
    return 25 / 178 * width, 45 / 218 * height, 153 / 178 * width, 173 / 218 * height


def crop_and_resize(image: Image.Image, box: Box, size: int) -> Image.Image:
    """The contents of `box` as `size` x `size` pixels.

    Bilinear, its kernel widened when shrinking (antialiased), as in the papers' code.
    """
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)
