"""The images of a folder or of a zip file: sorted names, and the bytes of each."""

import collections
import os
import pathlib
import re
import stat
import threading
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.decoding import ENDINGS

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # they would break or colour a line


class Source(NamedTuple):
    """The images of a folder or zip file.

    names: sorted relative names. A name may be that of a dangling link.
    size: returns the number of bytes of one image.
    read: returns these bytes.
    stamp: returns a number that changes with these bytes, without reading them: the time of the
      last change, or the checksum in a zip file.
    left_out: kind of other file -> how many there are.
    """

    path: pathlib.Path
    names: Sequence[str]
    size: Callable[[str], int]
    read: Callable[[str], bytes]
    stamp: Callable[[str], int]
    left_out: Mapping[str, int]


def open_source(path: str) -> Source:
    """Returns the images of the folder or zip file at `path`; hidden files are left out.

    Files whose names have no ending of an image, and links to folders, are left out and counted.

    Raises:
      InputError: if there is no path or nothing at the path, if a folder below it cannot be
        listed, if it is a broken, encrypted or ambiguous zip file, or if it has no images.
    """
    if not str(path).strip():
        raise InputError("the path of the images is empty: give a folder or a zip file of images")
    if _CONTROL.search(str(path)):
        raise InputError(f"the path {ascii(str(path))} has control characters: rename it")
    try:
        place = pathlib.Path(path).expanduser()
        is_folder = stat.S_ISDIR(place.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{path} does not exist: give a folder or a zip file of images") from error
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be opened ({reason}): give another path") from error
    if is_folder and pathlib.Path.cwd().resolve().is_relative_to(place.resolve()):
        raise InputError(
            f"{path} is the working directory or holds it, and a run writes pictures there: give "
            "the folder of the images alone"
        )
    source = _open_folder(place) if is_folder else _open_zip(place)
    if not source.names:
        raise InputError(f"{path} holds no images: no name ends in {' '.join(ENDINGS)}")
    return source


def counted(kinds: Mapping[str, int]) -> str:
    """Returns kinds of things with their numbers in one line, e.g. 2 .txt, 1 README."""
    return some([f"{count} {kind}" for kind, count in kinds.items()])


def some(items: Sequence[str], most: int = 5) -> str:
    """Returns the first items in one line, and says how many more there are.

    Names of files may have line ends and escape codes; they are written as in Python.
    """
    shown = [item if item.isprintable() else ascii(item) for item in items[:most]]
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(shown) + more


def _open_folder(path: pathlib.Path) -> Source:
    def size(name):
        status = (path / name).stat()
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is neither a file nor a link to a file")
        return status.st_size

    def read(name):
        with open(path / name, "rb") as file:
            return file.read(size(name))

    def stamp(name):
        return (path / name).stat().st_mtime_ns

    seen, links = _walk(path)
    names, left_out = _select(seen)
    if links:
        left_out[f"links to folders ({some(sorted(links))})"] = len(links)
    return Source(path, names, size, read, stamp, left_out)


def _walk(path: pathlib.Path) -> tuple[list[str], list[str]]:
    """Returns the names of files, and those of links to folders."""
    names, links, locked = [], [], []
    for folder, below, files in os.walk(path, onerror=locked.append):
        below[:] = [name for name in below if not _is_hidden(name)]
        links += [name for name in below if os.path.islink(os.path.join(folder, name))]
        inside = pathlib.Path(folder).relative_to(path)
        names += [(inside / name).as_posix() for name in files]
    if locked:
        reasons = [f"{error.filename} ({error.strerror})" for error in locked]
        raise InputError(
            f"cannot list {len(locked)} of the folders in {path}: {some(reasons)}: "
            "permit it, or move what you do not need"
        )
    return names, links


def _open_zip(path: pathlib.Path) -> Source:
    if not path.is_file():
        raise InputError(f"{path} is no file: give a folder or a zip file of images")
    try:
        archive = zipfile.ZipFile(path)
    except PermissionError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}): permit it") from error
    # The last two: names that are no text, and versions and places that do not exist.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path} is no zip file: give a folder or a zip of images") from error
    names, left_out = _select([name for name in archive.namelist() if not name.endswith("/")])
    if any(archive.getinfo(name).flag_bits & 1 for name in names):
        raise InputError(f"{path} is encrypted: unpack it and give the folder")
    if len(set(names)) < len(names):
        twice = [name for name, count in collections.Counter(names).items() if count > 1]
        raise InputError(
            f"{path} holds several entries of the name {some(twice)}: remove all but one"
        )
    lock = threading.Lock()

    def read(name):
        # All threads share one file pointer. The slow part, decoding, is outside the lock.
        with lock:
            return archive.read(name)

    def size(name):
        return archive.getinfo(name).file_size

    return Source(path, names, size, read, lambda name: archive.getinfo(name).CRC, left_out)


def _select(names: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Returns the sorted names of images, and the endings of other files with their numbers."""
    seen = sorted(name for name in names if not any(map(_is_hidden, name.split("/"))))
    other = [pathlib.PurePath(n).suffix or n for n in seen if not n.lower().endswith(ENDINGS)]
    left_out = dict(collections.Counter(other).most_common())
    return [name for name in seen if name.lower().endswith(ENDINGS)], left_out


def _is_hidden(part: str) -> bool:
    return part == "__MACOSX" or (part.startswith(".") and part not in (".", ".."))
