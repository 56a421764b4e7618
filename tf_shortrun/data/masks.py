"""Masks of partly hidden images: bool [num, H, W, 1], True where a pixel is observed.

Squares lie wholly inside the image. Masks are drawn one after the other, so the first masks
of a seed do not depend on `num`.
"""

import dataclasses

import numpy as np

from tf_shortrun.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class Block:
    """Masks that hide one square of `side` x `side` pixels, at a random place.

    side: None for half of the smaller side of the image.
    """

    side: int | None

    @property
    def name(self) -> str:
        return f"block{self.side or '_of_half'}"

    def __call__(self, num: int, image_shape: tuple[int, ...], seed: int) -> np.ndarray:
        """Draws `num` masks.

        Raises:
          InputError: if the square is not smaller than the image.
        """
        side = min(image_shape[:2]) // 2 if self.side is None else self.side
        _check_side("Block.side", side, image_shape)
        generator = np.random.default_rng(seed)
        hidden = np.zeros([num, *image_shape[:2]], bool)
        for image in hidden:
            _hide_square(image, side, generator)
        return ~hidden[..., None]


@dataclasses.dataclass(frozen=True)
class Scattered:
    """Masks that hide random squares, which may overlap, until at least `share` is hidden.

    share: share of the pixels.
    sides: the smallest and the largest side in pixels; all sides between are equally probable.
    """

    share: float
    sides: tuple[int, int]

    def __post_init__(self):
        if not 0 < self.share < 1:
            raise InputError(f"Scattered.share is {self.share}: choose a share between 0 and 1")
        if self.sides[0] > self.sides[1]:
            raise InputError(f"Scattered.sides is {self.sides}: give the smaller side first")

    @property
    def name(self) -> str:
        return f"scattered{100 * self.share:.3g}"

    def __call__(self, num: int, image_shape: tuple[int, ...], seed: int) -> np.ndarray:
        """Draws `num` masks.

        Raises:
          InputError: if a square is not smaller than the image, or the last square could hide
            all remaining pixels.
        """
        for side in self.sides:
            _check_side("Scattered.sides", side, image_shape)
        height, width = image_shape[:2]
        if self.share * height * width + self.sides[1] ** 2 > height * width:
            raise InputError(
                f"{self} can hide all of an image {height} x {width}: choose a smaller share"
            )
        generator = np.random.default_rng(seed)
        hidden = np.zeros([num, height, width], bool)
        for image in hidden:
            while image.mean() < self.share:
                _hide_square(image, generator.integers(*self.sides, endpoint=True), generator)
        return ~hidden[..., None]


Mask = Block | Scattered


def _check_side(name: str, side: int, image_shape: tuple[int, ...]):
    if len(image_shape) != 3:
        raise InputError(f"only images can be masked, not observations of shape {image_shape}")
    height, width = image_shape[:2]
    if not 0 < side < min(height, width):
        raise InputError(
            f"{name} has {side}, but images are {height} x {width}: choose a side from 1 to "
            f"{min(height, width) - 1}"
        )


def _hide_square(hidden: np.ndarray, side: int, generator: np.random.Generator):
    """Sets a random square of `hidden` [H, W] to True; all places are equally probable."""
    row, column = generator.integers(np.subtract(hidden.shape, side), endpoint=True)
    hidden[row : row + side, column : column + side] = True
