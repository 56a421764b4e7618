"""The signatures of `signatures.py` with files of pictures in place of pixels."""

import functools
from collections.abc import Callable, Mapping

import tensorflow as tf

from tf_shortrun.data.columns import Columns
from tf_shortrun.data.preparation import Preparation
from tf_shortrun.export import checks, image_files
from tf_shortrun.export.signatures import Signature

_PICTURES = ("image", "start", "end")
_FILES = tf.TensorSpec([None], tf.string)


def of_files(
    rows: Mapping[str, Signature], shape: list[int], preparation: Preparation | Columns | None
) -> dict[str, Signature]:
    """Returns `<name>_bytes` of the signatures that take or give pictures.

    Args:
      rows: signatures with one seed for each row, by name.
      shape: that of the learner's observations. There are no files of points, and none with two
        channels.
      preparation: how a file becomes an observation. If a graph cannot do it, or it is not known
        (None), no signature takes pictures.
    """
    if len(shape) != 3 or shape[-1] not in (1, 3):
        return {}
    readers = {"mask": lambda files: image_files.masks(files, *shape[:2])}
    if image_files.can_prepare(preparation):
        prepare = functools.partial(image_files.prepare, preparation=preparation)
        traced = tf.function(prepare, autograph=False).get_concrete_function(_FILES)
        readers |= dict.fromkeys(_PICTURES, traced)
    return {
        f"{name.removesuffix('_each')}_bytes": _with_files(row, shape, readers)
        for name, row in rows.items()
        if not {*_PICTURES} & {*row.inputs} - {*readers}
    }


def _with_files(
    row: Signature, shape: list[int], readers: Mapping[str, Callable[[tf.Tensor], tf.Tensor]]
) -> Signature:
    """Returns the signature with a list of files for each input that has a reader."""

    def value_of(name, inputs):
        if name not in readers:
            return inputs[name]
        files = checks.checked_files(inputs[f"{name}_bytes"], shape, f"{name}_bytes")
        return readers[name](files)

    def work(**inputs):
        outputs = row.work(**{name: value_of(name, inputs) for name in row.inputs})
        if "images" in outputs:
            return {"images_bytes": image_files.to_png(outputs["images"])}
        return outputs

    files = {name: f"{name}_bytes" for name in row.inputs if name in readers}
    specs = {
        files.get(name, name): tf.TensorSpec([None], tf.string, files[name])
        if name in files
        else spec
        for name, spec in row.inputs.items()
    }
    return Signature(work, specs)
