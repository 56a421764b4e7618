"""What of an image is hidden: masks, bool [num, H, W, 1], True where it was observed.

Squares lie wholly inside the image. Masks are drawn one after the other: those of a seed
are the same however many are asked for.
"""

import dataclasses

import numpy as np

from tf_shortrun.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class Block:
    """One square of `side` x `side` pixels is hidden, at a random place."""

    side: int

    @property
    def name(self) -> str:
        return f"block{self.side}"

    def __call__(self, num: int, image_shape: tuple[int, ...], seed: int) -> np.ndarray:
        """`num` masks.

        Raises:
          InputError: if the square is not smaller than the image.
        """
        _check_side("Block.side", self.side, image_shape)
        generator = np.random.default_rng(seed)
        hidden = np.zeros([num, *image_shape[:2]], bool)
        for image in hidden:
            _hide_square(image, self.side, generator)
        return ~hidden[..., None]


@dataclasses.dataclass(frozen=True)
class Scattered:
    """Squares are thrown, and may overlap, until at least `share` of the pixels is hidden.

    sides: the smallest and the largest side in pixels, each in between as likely.
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
        """`num` masks.

        Raises:
          InputError: if a square is not smaller than the image, or the last one thrown could
            hide what is left of it.
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
    """Sets a square of `hidden` [H, W], wherever it fits with equal probability, to True."""
    row, column = generator.integers(np.subtract(hidden.shape, side), endpoint=True)
    hidden[row : row + side, column : column + side] = True
