"""Export of a learner as a SavedModel for TensorFlow Serving. Its signatures check their inputs.

Every learner has the signatures `sample`, `sample_each`, and `sample_bytes` for pictures or
`sample_rows` for a table; the others
exist if the learner has the capability, see `signatures.py`. Outputs depend on the inputs alone:
the same seed gives the same numbers in every call. Inputs and outputs are checked in the graph
(`checks.py`); a call that fails a check returns the error InvalidArgument.

A `tf.Module` around a Keras 3 model, saved by `tf.saved_model.save`, loads in Python
but not in the C++ loader of the server (keras-team/keras issue 20095). A SavedModel written by
`keras.export.ExportArchive` loads in both. The server has no XLA: functions that XLA compiles
here run there as plain graphs, with the same result up to rounding.
"""

import itertools
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tf_shortrun.core.address import check_address
from tf_shortrun.core.contracts import Learner
from tf_shortrun.data.columns import Columns
from tf_shortrun.export import checks, file_signatures, model_card, numbering, serving, warm_up
from tf_shortrun.export.label_signatures import of_labels
from tf_shortrun.export.model_card import Origin
from tf_shortrun.export.signatures import Signature, of_one_seed, of_rows
from tf_shortrun.export.table_signatures import of_tables
from tf_shortrun.export.traced_once import traced_once

_UNKNOWN = Origin()
# A server takes no gradients, and functions for them take long to trace.
_FORWARD_ONLY = tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def export(learner: Learner, workdir: Path, name: str, origin: Origin = _UNKNOWN) -> Path:
    """Writes the SavedModel to `<workdir>/saved_model/<n>` and returns that path.

    The number n is 1, or one more than the last: what is there stays, and a server that looks at
    the folder goes over to the new version. Beside the model are its `model_card.md`, and in
    `assets.extra` requests that warm a server up and `data.json`, how a picture is prepared. Also
    writes `<workdir>/models.config`, which tells `tensorflow_model_server --model_config_file` to
    serve the newest version as `name`, and `<workdir>/serving` with files of a deployment. An
    export that fails leaves no files.

    Raises:
      InputError: if `name` has characters that cannot be used in a URL.
    """
    check_address(name)
    learner = traced_once(learner)
    rows = of_rows(learner) | of_labels(learner)
    shape = list(learner.image_shape)
    files = file_signatures.of_files(rows, shape, origin.preparation)
    signatures = of_one_seed(learner) | rows | files
    if isinstance(origin.preparation, Columns):
        signatures |= of_tables(rows, origin.preparation)
    archive = keras.export.ExportArchive()
    for endpoint, signature in signatures.items():  # Keras makes the first the default one
        archive.add_endpoint(endpoint, *_by_place(signature))
    with numbering.new(workdir.resolve() / "saved_model", workdir / ".export") as (folder, target):
        archive.write_out(folder, options=_FORWARD_ONLY, verbose=False)
        _without_xla(folder / "saved_model.pb")
        warm_up.write(folder, name, signatures, shape)
        model_card.write(folder, name, shape, signatures, origin)
    serving.write(workdir, name, checks.most(shape))
    return target


def _by_place(signature: Signature) -> tuple[Callable, list[tf.TensorSpec]]:
    """Returns the function and the types of its inputs, which Keras gives by place."""
    names, specs = list(signature.inputs), list(signature.inputs.values())
    return lambda *inputs: signature.work(**dict(zip(names, inputs, strict=True))), specs


def _without_xla(file: Path) -> None:
    """Removes the XLA attribute of compiled functions, so that the server runs plain graphs."""
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = itertools.chain(graph.node, *(f.node_def for f in graph.library.function))
    for marked in itertools.chain(nodes, graph.library.function):
        marked.attr.pop("_XlaMustCompile", None)
    file.write_bytes(saved.SerializeToString(deterministic=True))
