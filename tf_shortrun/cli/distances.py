"""The verb `distances`: how far images in one folder are from those in another."""

import argparse
from collections.abc import Sequence

from tf_shortrun.cli.own_images import sides_of
from tf_shortrun.evals.features import two_folders

NAME = "distances"
_NOTE = (
    "All distances depend on the numbers of images, and the Frechet distance falls as they grow: "
    "compare\nonly what has the same numbers, size and extractor."
)
_MEANINGS = {
    "frechet": "squared, lower is nearer",
    "kid": "about 0 for equal distributions, lower is nearer",
    "precision": "share of {b} that looks like {a}",
    "recall": "share of {a} that {b} looks like",
    "told": "share that a linear classifier tells right, of {a} or of {b}; .5 if it cannot",
}


def work(arguments: Sequence[str]) -> None:
    """Prints the distances between two folders or zip files of images.

    Raises:
      InputError: as `two_folders.between`, or if a size makes no sense.
    """
    given = _parser().parse_args(arguments)
    size = sides_of(given.image_size) if given.image_size else None
    found = two_folders.between(given.data, given.samples, size, given.num, given.extractor)
    height, width, _ = found.shape
    for path, count in zip((given.data, given.samples), found.counts, strict=True):
        print(f"{path}: {count:,} images, {height} x {width}")
    print(f"{found.extractor.name}: {found.extractor.describe()}")
    for name, value in found.values.items():
        meaning = _MEANINGS[name].format(a=given.data, b=given.samples)
        print(f"{name + '/' + found.extractor.name:40s} {value:<12.6g} {meaning}")
    print(_NOTE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"tf-shortrun {NAME}", description=__doc__)
    parser.add_argument("data", help="a folder or zip file of images, e.g. the data")
    parser.add_argument("samples", help="another one, e.g. samples as single files")
    parser.add_argument(
        "--image_size",
        help="a side such as 64, or HEIGHTxWIDTH, to which all are cropped and resized "
        "(default: their own, if all have the same)",
    )
    parser.add_argument("--num", type=int, help="images of each, at random (default: all)")
    parser.add_argument(
        "--extractor",
        choices=[*two_folders.EXTRACTORS],
        default="inception2015",
        help="of features: the network of papers, whose weights are installed by "
        "requirements-inception.txt, or a classifier that is trained on the first folder",
    )
    return parser
