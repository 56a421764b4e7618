"""What a run remembers of its data, so that it can be used where the data are not."""

import json
from pathlib import Path

import numpy as np

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import parse_json, replace_text
from tf_shortrun.data import columns
from tf_shortrun.data import preparation as pictures
from tf_shortrun.data.dataset import Dataset, Split

NAME = "data.json"


def write(folder: Path, dataset: Dataset) -> None:
    """Writes name, sizes, preparation and names of labels to `data.json`."""
    content = {
        "name": dataset.name,
        "shape": list(dataset.image_shape),
        "num_train": len(dataset.train.images),
        "num_test": len(dataset.test.images),
        "preparation": dataset.preparation and dataset.preparation.describe(),
        "classes": list(dataset.classes),
    }
    replace_text(folder / NAME, json.dumps(content, indent=1) + "\n")


def stand_in(folder: Path) -> Dataset:
    """Returns the data set with blank observations in place of the data.

    Raises:
      InputError: if the file is not what `write` writes.
    """
    path = folder / NAME
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        shape = tuple(map(int, content["shape"]))
        splits = [_blank(int(content[f"num_{name}"]), shape) for name in ("train", "test")]
        preparation = _preparation(content["preparation"])
        classes = tuple(map(str, content.get("classes", ())))
        return Dataset(content["name"], *splits, preparation=preparation, classes=classes)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} cannot be read ({error!r}): train again, or restore the folder"
        ) from error


def _preparation(described: dict | None):
    if not described:
        return None
    return (columns if "scale" in described else pictures).read(described)


def _blank(num: int, shape: tuple[int, ...]) -> Split:
    one = np.zeros([1, *shape], np.uint8)  # all rows share its memory
    return Split(np.broadcast_to(one, [num, *shape]), np.full(num, -1, np.int32))
