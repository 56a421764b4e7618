"""The flags --images and --image_size: what they stand for, as gin files and bindings."""

import re
from collections.abc import Sequence

from tf_shortrun.core.errors import InputError
from tf_shortrun.data import survey

FILE = "gin/own_images.gin"
_LEAST, _MOST = 16, 256  # pixels of a side
_MOST_BY_ITSELF = 64  # of the smaller side: more takes hours on two cores


def resolve(
    images: str | None, size: str | None, files: Sequence[str], bindings: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Returns the gin files and bindings that the flags stand for: those of the images come first.

    Raises:
      InputError: if there are neither images nor gin files, a size alone, or as `look`.
    """
    if images is not None:
        return [FILE, *files], [*look(images, size or "auto"), *bindings]
    if not files:
        raise InputError(
            "no gin file: give one, e.g. --gin_file=reproduce/demo.gin, or --images=FOLDER"
        )
    if size is not None:
        raise InputError("--image_size is for --images: give both")
    return list(files), list(bindings)


def look(path: str, size: str) -> list[str]:
    """Looks at the images, says what it found, and returns the bindings for them.

    Args:
      size: 'auto', a side such as '64', or height and width such as '48x64'.

    Raises:
      InputError: if the size is none of these, or as `survey.look`.
    """
    given = None if size == "auto" else sides_of(size)
    found = survey.look(path)
    height, width = given or survey.propose(found, _MOST_BY_ITSELF)
    shape = (height, width, found.channels)
    why = "" if given else ", as proposed; --image_size=HEIGHTxWIDTH chooses another"
    print("\n".join([f"{path}:", *(f"  {line}" for line in found.describe())]))
    print(f"  size of the observations: {height} x {width} x {shape[-1]}{why}", flush=True)
    return [f"folder.folder.path = {path!r}", f"IMAGE_SHAPE = {shape}"]


def sides_of(size: str) -> tuple[int, int]:
    """Returns height and width of a size such as 64 or 48x64. Raises InputError if it is none."""
    found = re.fullmatch(r"(\d{1,4})(?:[x×](\d{1,4}))?", size.strip())
    sides = [int(side or found[1]) for side in found.groups()] if found else []
    if not sides or not all(_LEAST <= side <= _MOST for side in sides):
        raise InputError(
            f"--image_size is {size!r}: give auto, a side such as 64, or HEIGHTxWIDTH such as "
            f"48x64, from {_LEAST} to {_MOST}"
        )
    return sides[0], sides[1]
