"""Weights that come with the package, by addresses such as tf_shortrun://digits."""

import hashlib
from pathlib import Path

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.words import near

SCHEME = "tf_shortrun://"
SUMS = "SHA256SUMS"
_PACKAGE = Path(__file__).parents[1]
# As gin/ and reproduce/, inside an installed package, but next to it in a checkout.
_PLACES = (_PACKAGE / "reproduce/pretrained", _PACKAGE.parent / "reproduce/pretrained")


def find(address: str) -> Path:
    """Returns the folder of an address, whose files have their sums.

    Raises:
      InputError: if there is no such address, or a file is not what it was.
    """
    place = next((place for place in _PLACES if place.is_dir()), _PLACES[0])
    known = sorted(path.parent.name for path in place.glob(f"*/{SUMS}"))
    name = address.removeprefix(SCHEME)
    if name not in known:
        there = near(address, [f"{SCHEME}{one}" for one in known])
        raise InputError(f"{address} does not come with this package: {there}")
    for line in (place / name / SUMS).read_text().splitlines():
        expected, file = line.split()
        if _sum(place / name / file) != expected:
            raise InputError(f"{place / name / file} is damaged: install the package again")
    return place / name


def write_sums(folder: Path) -> None:
    """Writes the sums of all files in a folder, as `sha256sum` does."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    text = "".join(f"{_sum(path)}  {path.name}\n" for path in files)
    (folder / SUMS).write_text(text)


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
