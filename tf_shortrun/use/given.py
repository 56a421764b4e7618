"""Checks of what a caller of a `Run` gives besides observations: masks and labels."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import tensorflow as tf

from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner, SamplesLabels
from tf_shortrun.core.errors import InputError


def mask(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns the mask of images of this shape: bool [N, H, W, 1].

    Raises:
      InputError: if these are no images, or the mask has another shape.
    """
    if len(shape) != 4:
        raise InputError(f"observations have the shape {shape}: inpaint needs images [N, H, W, C]")
    try:
        return np.broadcast_to(np.asarray(mask, bool), (*shape[:3], 1))
    except ValueError:
        wanted = ", ".join(map(str, (*shape[:3], 1)))
        raise InputError(f"the mask has the shape {np.shape(mask)}: give [{wanted}]") from None


def labels(
    label: int | str | Sequence[int | str],
    num: int,
    held: Sequence[int],
    learner: Learner,
    classes: Sequence[str] = (),
) -> tf.Tensor:
    """Returns `num` labels, int32: those that are given, in turn, by number or by name.

    A word is a name of `classes`, else a number: labels of folders 1, 2, 10 have these names.

    Raises:
      InputError: if the learner makes no observations of a label, or saw no example of one of
        these; if layers are held, too.
    """
    require(learner, SamplesLabels, "label")
    known = np.flatnonzero(cast(SamplesLabels, learner).label_counts()).tolist()
    given = [label] if isinstance(label, int | str | np.integer) else list(label)
    asked = [_number(one, classes) for one in given]
    if not asked or not {*asked} <= {*known}:
        names = [classes[place] if place < len(classes) else str(place) for place in known]
        raise InputError(
            f"label is {label}: choose from those of the training examples, which are "
            f"{', '.join(names) or 'none'}"
        )
    if held:
        raise InputError(f"held is {list(held)} and label {label}: give one of them")
    return tf.constant(np.resize(asked, num), tf.int32)


def _number(label: int | str, classes: Sequence[str]) -> int:
    """Returns the number of a label, -1 if it is no label."""
    if label in classes:
        return list(classes).index(str(label))
    return int(label) if str(label).isdecimal() else -1
