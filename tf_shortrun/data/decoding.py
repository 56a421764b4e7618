"""An image as grey or colour, from the bytes of a file of one of several formats."""

import lzma
import struct
import zipfile
import zlib
from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

# Formats that are decoded in this process: EPS, for example, would start Ghostscript.
_NAMES = ("AVIF", "BMP", "DIB", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
ENDINGS = tuple(sorted(e for e, name in Image.registered_extensions().items() if name in _NAMES))
_FORMATS = [name for name in _NAMES if name in Image.OPEN]

# What Pillow and zipfile raise for a file that is truncated, damaged or not an image; found by
# changing random bytes of files.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    ArithmeticError,
    TypeError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    Image.DecompressionBombError,
)


def header(data: bytes) -> Image.Image:
    """Returns the image with its size and format; its pixels are not decoded yet."""
    return Image.open(BytesIO(data), formats=_FORMATS)


def decode(image: Image.Image, channels: int, background: int) -> tuple[Image.Image, list[str]]:
    """Decodes to 8 bits, grey (`channels` 1) or colour (3).

    Returns:
      The first frame, as its EXIF orientation says, over the grey value `background` where it is
      transparent; and what was converted, a few words each.
    """
    converted = _conversions(image)
    ImageOps.exif_transpose(image, in_place=True)  # decodes; in place, to save memory
    image = _eight_bits(image)
    if image.has_transparency_data:
        image, is_changed = _over(image.convert("RGBA"), background)
        converted += [f"transparent (over {background})"] * is_changed
    mode = "L" if channels == 1 else "RGB"
    return image if image.mode == mode else image.convert(mode), converted


def reason(error: Exception) -> str:
    """Returns why an image cannot be read, in one line without names of files and buffers."""
    # Pillow adds the name of the buffer, <_io.BytesIO ...>.
    text = getattr(error, "strerror", None) or str(error).partition("<")[0]
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(line.split()) or type(error).__name__


def _conversions(image: Image.Image) -> list[str]:
    """Returns what decoding will change, except for transparency."""
    found = {
        "of 16 bits (the high byte)": image.mode == "I" or ";16" in f"{image.mode} {image.tile}",
        "of several frames (the first)": getattr(image, "is_animated", False),
        f"of mode {image.mode}": image.mode in ("1", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV"),
    }
    return [kind for kind, is_found in found.items() if is_found]


def _eight_bits(image: Image.Image) -> Image.Image:
    is_16_bits = image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM")
    if is_16_bits:
        # The conversion of Pillow would clip at 255.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("pixels have 32 bits, only 8 or 16 are supported")
    return image


def _over(image: Image.Image, background: int) -> tuple[Image.Image, bool]:
    """Returns the image over the background, and whether any pixel of it is transparent."""
    is_transparent = image.getchannel("A").getextrema()[0] < 255
    if not is_transparent:
        return image, False
    ground = Image.new("RGBA", image.size, (background, background, background, 255))
    return Image.alpha_composite(ground, image), True
