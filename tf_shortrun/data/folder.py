"""Images in a folder or in a zip file, of any size and of several formats."""

import concurrent.futures
import pathlib
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import crops
from tf_shortrun.data.dataset import Dataset, Split

ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

# What Pillow and zipfile raise for a file that is truncated, damaged or not an image.
_UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    struct.error,
    zlib.error,
    zipfile.BadZipFile,
    NotImplementedError,
    Image.DecompressionBombError,
)


def folder(
    path: str,
    size: int,
    channels: int = 3,
    crop: crops.Crop = crops.center_square,
    num_train: int | None = None,
    num_test: int | None = None,
    name: str | None = None,
) -> Dataset:
    """Loads all images under `path`, cropped and resized to [size, size, channels].

    Images are sorted by name. The first `num_train` images (default: all images that are
    not in the test split) are the training split, the last `num_test` images (default: a
    tenth, at least one) the test split. If all images are in subfolders of `path`, and there
    are at least two subfolders, the label is the place of the subfolder in sorted order;
    else it is -1. Hidden files are skipped. Images become grey or coloured (`channels` 1 or
    3); transparency is dropped, 16 bits are cut to 8, EXIF orientation is respected.

    Raises:
      InputError: if `path` is missing, is neither a folder nor a zip file, is encrypted or
        has no images, if an image cannot be read, or if splits are empty or overlap.
    """
    if size < 1 or channels not in (1, 3):
        raise InputError(f"size {size} and channels {channels}: choose size >= 1, channels 1 or 3")
    source = _open(pathlib.Path(path).expanduser())
    total = len(source.names)
    num_train, num_test = _counts(path, total, num_train, num_test)
    chosen = np.r_[:num_train, total - num_test : total]
    pixels = _load(source, chosen, size, channels, crop)
    labels = _labels(source.names)[chosen]
    train = Split(pixels[:num_train], labels[:num_train])
    test = Split(pixels[num_train:], labels[num_train:])
    return Dataset(name or pathlib.Path(path).stem, train, test)


class _Source(NamedTuple):
    """The images of a folder or zip file: sorted relative names, and a function that reads one."""

    path: pathlib.Path
    names: Sequence[str]
    read: Callable[[str], bytes]


def _open(path: pathlib.Path) -> _Source:
    if path.is_dir():
        names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
        source = _Source(path, _select(names), lambda name: (path / name).read_bytes())
    elif path.is_file():
        source = _open_zip(path)
    else:
        raise InputError(f"{path} does not exist: give a folder or a zip file of images")
    if not source.names:
        raise InputError(f"{path} holds no images: no name ends in {' '.join(ENDINGS)}")
    return source


def _open_zip(path: pathlib.Path) -> _Source:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(f"{path} is no zip file: give a folder or a zip of images") from error
    names = _select(archive.namelist())
    if any(archive.getinfo(name).flag_bits & 1 for name in names):
        raise InputError(f"{path} is encrypted: unpack it and give the folder")
    lock = threading.Lock()

    def read(name):
        # All threads share one file pointer. The slow part, decoding, is outside the lock.
        with lock:
            return archive.read(name)

    return _Source(path, names, read)


def _select(names: Sequence[str]) -> Sequence[str]:
    def is_image(name):
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
        return name.lower().endswith(ENDINGS) and not hidden

    return sorted(filter(is_image, names))


def _counts(path, total: int, num_train: int | None, num_test: int | None) -> tuple[int, int]:
    num_test = max(1, total // 10) if num_test is None else num_test
    num_train = total - num_test if num_train is None else num_train
    if min(num_train, num_test) < 1 or num_train + num_test > total:
        raise InputError(
            f"{path} holds {total} images: num_train {num_train} and num_test {num_test} "
            f"must be positive and sum to at most {total}"
        )
    return num_train, num_test


def _load(source, chosen: np.ndarray, size: int, channels: int, crop: crops.Crop) -> np.ndarray:
    """Decodes the chosen images in parallel: uint8 [N, size, size, channels]."""
    pixels = np.empty([len(chosen), size, size, channels], np.uint8)

    def load(place):
        image = _decode(source, source.names[chosen[place]], channels)
        image = crops.crop_and_resize(image, crop(image.height, image.width), size)
        pixels[place] = np.asarray(image).reshape(size, size, channels)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        # The loop runs to the end, so that the first error is raised and cancels the rest.
        for _ in pool.map(load, range(len(chosen))):
            pass
    return pixels


def _labels(names: Sequence[str]) -> np.ndarray:
    """Returns labels, int32 [N]: the place of the first-level subfolder, or -1."""
    folders = [name.rpartition("/")[0].split("/")[0] for name in names]
    classes = sorted(set(folders))
    if len(classes) < 2 or "" in classes:
        return np.full(len(names), -1, np.int32)
    return np.searchsorted(classes, folders).astype(np.int32)


def _decode(source: _Source, name: str, channels: int) -> Image.Image:
    try:
        image = ImageOps.exif_transpose(Image.open(BytesIO(source.read(name))))
        return _plain(image).convert("L" if channels == 1 else "RGB")
    except _UNREADABLE as error:
        # Removes the name of the buffer, <_io.BytesIO ...>, which Pillow adds.
        reason = " ".join(str(error).partition("<")[0].split())
        raise InputError(
            f"cannot read {name} in {source.path} ({reason}): mend or remove it"
        ) from error


def _plain(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise ValueError("pixels have 32 bits, only 8 or 16 are supported")
    if image.mode.startswith("I;16"):
        # The conversion of Pillow would clip at 255.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    # Pillow warns when it drops the transparency of a palette.
    return image.convert("RGBA") if image.mode == "P" else image
