"""How a picture becomes an observation: the same in training, afterwards and in a served model."""

import dataclasses

import numpy as np
from PIL import Image

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import crops, decoding


@dataclasses.dataclass(frozen=True)
class Preparation:
    """Crops and resizes pictures to observations, uint8 [H, W, C].

    Attributes:
      height, width: H and W, pixels.
      channels: C, 1 (grey) or 3 (colour).
      crop: the box that is kept; None for the largest box in the middle that has the shape H : W.
      background: the grey value, 0 to 255, that transparent pixels show.

    Raises:
      InputError: if a size is below 1, or another number of channels or background is given.
    """

    height: int
    width: int
    channels: int
    crop: crops.Crop | None = None
    background: int = 255

    def __post_init__(self):
        if min(self.height, self.width) < 1 or self.channels not in (1, 3):
            raise InputError(
                f"size is {self.height} x {self.width} and channels {self.channels}: "
                "choose a size of at least 1, and channels 1 or 3"
            )
        if not 0 <= self.background <= 255:
            raise InputError(f"background is {self.background}: choose 0 (black) to 255 (white)")

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.height, self.width, self.channels

    def __call__(self, image: Image.Image) -> tuple[np.ndarray, list[str]]:
        """Returns the observation, and what was converted, a few words each."""
        image, converted = decoding.decode(image, self.channels, self.background)
        return self.resize(image), converted

    def resize(self, image: Image.Image) -> np.ndarray:
        """Returns the observation of a decoded picture."""
        box = (
            self.crop(image.height, image.width)
            if self.crop
            else crops.center(image.height, image.width, self.width / self.height)
        )
        resized = crops.crop_and_resize(image, box, self.height, self.width)
        return np.asarray(resized).reshape(self.height, self.width, -1)

    @property
    def words(self) -> str:
        """The preparation in words."""
        crop = self.crop.__name__ if self.crop else "the largest box in the middle of that shape"
        return (
            f"pictures: {self.height} x {self.width} pixels, channels {self.channels}; "
            f"crop: {crop}; bilinear and antialiased; the grey {self.background} where transparent"
        )

    def describe(self) -> dict:
        """Returns what `read` needs, as values of JSON; a crop by its name."""
        name = self.crop and f"{self.crop.__module__}.{self.crop.__qualname__}"
        return dataclasses.asdict(dataclasses.replace(self, crop=None)) | {"crop": name}


def of_shape(shape: tuple[int, ...]) -> Preparation | None:
    """Returns the preparation to observations of this shape; None if they are no pictures."""
    is_picture = len(shape) == 3 and shape[-1] in (1, 3)
    return Preparation(*shape) if is_picture else None


def read(described: dict) -> Preparation | None:
    """Returns the preparation that was described; None if its crop is not one of `crops`."""
    module, _, name = (described["crop"] or "").rpartition(".")
    if module not in ("", crops.__name__):
        return None  # code of the user, which nobody but the user may run
    return Preparation(**described | {"crop": getattr(crops, name) if name else None})
