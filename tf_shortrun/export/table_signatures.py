"""The signatures of `signatures.py` with rows in the units of a table in place of observations."""

from collections.abc import Mapping

import tensorflow as tf

from tf_shortrun.data.columns import Columns
from tf_shortrun.export import checks
from tf_shortrun.export.signatures import Signature

_NAMES = {"image": "rows", "start": "start_rows", "end": "end_rows"}


def of_tables(signatures: Mapping[str, Signature], columns: Columns) -> dict[str, Signature]:
    """Returns `<name>_rows` of the signatures with one seed for each row.

    They take rows, start_rows and end_rows, float32 [B, D] as in the table without its labels, and
    give rows; values outside the range of training are clipped to it, as in training.
    """
    return {
        f"{name.removesuffix('_each')}_rows": _in_units(signature, columns)
        for name, signature in signatures.items()
    }


def _in_units(signature: Signature, columns: Columns) -> Signature:
    shape = [len(columns.names)]

    def value_of(name, inputs):
        if name not in _NAMES:
            return inputs[name]
        return columns.scaled(checks.checked_rows(inputs[_NAMES[name]], shape, _NAMES[name]))

    def work(**inputs):
        outputs = signature.work(**{name: value_of(name, inputs) for name in signature.inputs})
        if "images" in outputs:
            return {"rows": columns.unscaled(outputs["images"])}
        return outputs

    specs = {
        _NAMES.get(name, name): tf.TensorSpec(spec.shape, spec.dtype, _NAMES.get(name, name))
        for name, spec in signature.inputs.items()
    }
    return Signature(work, specs)
