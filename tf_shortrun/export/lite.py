"""A signature of an exported model for TensorFlow Lite (LiteRT).

Two things keep the converter from what it could do, and both are changed in a copy of the graph:

- Functions that XLA compiled, such as the activations, are marked `_noinline`. The converter knows
  no calls of functions, so the mark is taken off, and they become part of their callers.
- There is no operation Erf, which the exact GELU has. It is written with exp, to 5e-7 in float32:

      erf(x) = sign(x) (1 - (a1 t + ... + a5 t^5) exp(-x^2)),   t = 1 / (1 + p |x|)

What draws noise or has a chain does not convert: random bits are 64-bit integer arithmetic, and
loops keep lists, for which TensorFlow Lite has no operations. The checks of inputs and outputs are
lost: its operations raise no errors.

References: M. Abramowitz, I. A. Stegun, Handbook of mathematical functions, 1964, 7.1.26.
"""

import re
import shutil
import tempfile
from pathlib import Path

import tensorflow as tf
from tensorflow.core.framework import function_pb2
from tensorflow.core.protobuf import saved_model_pb2

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.words import near

_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)  # a1 to a5
_ERF_P = 0.3275911
_LACKING = re.compile(r"'tf\.(\w+)' op")
_FILE = "saved_model.pb"


def convert(saved_model: str | Path, signature: str) -> bytes:
    """Returns the content of a .tflite file with one signature of a SavedModel of this package.

    Inputs, outputs and their names are those of the signature, see `signatures.py`; the batch axis
    may have any length.

    Raises:
      InputError: if there is no such model or signature, or it needs what TensorFlow Lite lacks.
    """
    source = Path(saved_model)
    if not (source / _FILE).is_file():
        raise InputError(f"{source} is no exported model: give e.g. runs/demo/saved_model/1")
    saved = saved_model_pb2.SavedModel.FromString((source / _FILE).read_bytes())
    known = sorted(name for name in saved.meta_graphs[0].signature_def if not name.startswith("_"))
    if signature not in known:
        raise InputError(f"{source} has no signature {signature}: {near(signature, known)}")
    _simplify(saved.meta_graphs[0].graph_def.library)
    with tempfile.TemporaryDirectory() as place:
        copy = shutil.copytree(source, Path(place) / "model")
        (copy / _FILE).write_bytes(saved.SerializeToString())
        converter = tf.lite.TFLiteConverter.from_saved_model(str(copy), signature_keys=[signature])
        try:
            return converter.convert()
        except Exception as error:  # the converter has a class of its own, deep inside
            raise InputError(_lacking(signature, error)) from error


def _lacking(signature: str, error: Exception) -> str:
    found = ", ".join(sorted(set(_LACKING.findall(str(error))))) or type(error).__name__
    return (
        f"TensorFlow Lite cannot do what {signature} needs ({found}): only what draws no noise and "
        "has no chain converts, such as decode"
    )


def _simplify(library: function_pb2.FunctionDefLibrary):
    """Lets all functions be inlined, and writes Erf with other operations."""
    for function in library.function:
        function.attr.pop("_noinline", None)
    spec = tf.TensorSpec(None, tf.float32)
    erf = tf.function(_erf, autograph=False).get_concrete_function(spec).function_def
    for function in library.function:
        _call_in_place_of_erf(function, erf.signature.name)
    library.function.append(erf)


def _erf(x: tf.Tensor) -> tf.Tensor:
    t = 1.0 / (1.0 + _ERF_P * tf.abs(x))
    polynomial = tf.zeros_like(x)
    for coefficient in reversed(_ERF):
        polynomial = t * (coefficient + polynomial)
    return tf.sign(x) * (1.0 - polynomial * tf.exp(-x * x))


def _call_in_place_of_erf(function: function_pb2.FunctionDef, name: str):
    """Makes every Erf of float32 in a function a call of the function `name`."""
    nodes = [n for n in function.node_def if n.op == "Erf" and n.attr["T"].type == tf.float32]
    for node in nodes:
        node.op = "PartitionedCall"
        del node.attr["T"]
        node.attr["f"].func.name = name
        for types in ("Tin", "Tout"):
            node.attr[types].list.type.append(tf.float32.as_datatype_enum)
    outputs = {f"{node.name}:y:0": f"{node.name}:output:0" for node in nodes}
    for node in function.node_def:
        node.input[:] = [outputs.get(output, output) for output in node.input]
    for result, output in function.ret.items():
        function.ret[result] = outputs.get(output, output)
