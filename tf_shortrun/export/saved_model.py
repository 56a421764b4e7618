"""A learner as a SavedModel for TensorFlow Serving, with signatures that check their inputs.

    sample       seed int32 [2], n int32 []                   -> images [n, H, W, C]
    reconstruct  image float32 [B, H, W, C], seed int32 [2]   -> images [B, H, W, C]
    inpaint      image float32 [B, H, W, C], mask bool [B, H, W, 1], seed int32 [2]
                                                              -> images [B, H, W, C]
    score        image float32 [B, H, W, C], seed int32 [2]   -> scores float32 [B]

Every learner has the first, the others exist if it knows how. Where observations are
points, image is [B, D] and nothing is inpainted. Pixels where mask is true come back as
they were given, the others are filled in, and what image holds there does not matter.
Scores are higher for what is less like the data. All depend on their inputs alone: one
seed gives the same numbers whenever it is asked. Inputs are checked in the graph
(`checks.py`); a call that fails a check is answered with InvalidArgument.

A `tf.Module` around a Keras 3 model, saved by `tf.saved_model.save`, loads in Python
but not in the C++ loader of the server (keras-team/keras issue 20095). What
`keras.export.ExportArchive` writes loads in both. The server has no XLA: what is compiled
by it here is run there as a plain graph, with the same result up to rounding.
"""

import contextlib
import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Inpaints, Learner, Reconstructs, Scores
from tf_shortrun.core.errors import InputError
from tf_shortrun.export.checks import (
    checked_count,
    checked_hidden,
    checked_image,
    checked_seed,
)
from tf_shortrun.export.serving import models_config


def export(learner: Learner, workdir: Path, name: str) -> Path:
    """Writes `<workdir>/saved_model/1` and returns that path.

    Beside it, `<workdir>/models.config` tells `tensorflow_model_server
    --model_config_file` to serve the folder as `name`. An earlier export is replaced
    only by a complete one: an export that fails leaves no trace.

    Raises:
      InputError: if `name` cannot stand in an address.
    """
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        raise InputError(f"model name {name!r}: use letters, digits, and any of _ . - only")
    archive = _archive(learner)
    target = workdir.resolve() / "saved_model" / "1"
    with _staging(target, workdir / ".export") as folder:
        archive.write_out(folder, verbose=False)
        _without_xla(folder / "saved_model.pb")
        config = folder.with_name("models.config")
        config.write_text(models_config(name, target.parent), encoding="utf-8")
        config.replace(workdir / "models.config")
    return target


def _archive(learner: Learner) -> keras.export.ExportArchive:
    """The signatures of the learner; variables that are not Keras' follow from their use."""
    shape = list(learner.image_shape)
    seed = tf.TensorSpec([2], tf.int32, "seed")
    image = tf.TensorSpec([None, *shape], tf.float32, "image")

    def sample(seed, n):
        images = learner.sample(checked_count(n), checked_seed(seed))
        return {"images": tf.ensure_shape(images, [None, *shape])}

    def reconstruct(image, seed):
        batch = {"image": checked_image(image, shape)}
        images = learner.reconstruct(batch, checked_seed(seed))
        return {"images": tf.ensure_shape(images, [None, *shape])}

    def inpaint(image, mask, seed):
        image, mask = checked_hidden(image, mask, shape)
        images = learner.inpaint({"image": image, "mask": mask}, checked_seed(seed))
        return {"images": tf.ensure_shape(tf.where(mask, image, images), [None, *shape])}

    def score(image, seed):
        scores = learner.score({"image": checked_image(image, shape)}, checked_seed(seed))
        return {"scores": tf.ensure_shape(scores, [None])}

    archive = keras.export.ExportArchive()
    # The first signature is also the default one.
    archive.add_endpoint("sample", sample, [seed, tf.TensorSpec([], tf.int32, "n")])
    if can(learner, Reconstructs):
        archive.add_endpoint("reconstruct", reconstruct, [image, seed])
    if can(learner, Inpaints) and len(shape) == 3:
        mask = tf.TensorSpec([None, *shape[:2], 1], tf.bool, "mask")
        archive.add_endpoint("inpaint", inpaint, [image, mask, seed])
    if can(learner, Scores):
        archive.add_endpoint("score", score, [image, seed])
    return archive


def _without_xla(file: Path) -> None:
    """Takes the marks off functions that XLA compiles: the server runs them as plain graphs."""
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = itertools.chain(graph.node, *(f.node_def for f in graph.library.function))
    for marked in itertools.chain(nodes, graph.library.function):
        marked.attr.pop("_XlaMustCompile", None)
    file.write_bytes(saved.SerializeToString(deterministic=True))


@contextlib.contextmanager
def _staging(target: Path, staging: Path) -> Iterator[Path]:
    """A folder to fill, which takes the place of `target` if the block succeeds."""
    new, old = staging / "new", staging / "old"
    _settle(target, staging)
    new.mkdir(parents=True)
    try:
        yield new
        target.parent.mkdir(exist_ok=True)
        # A folder cannot be renamed onto another: for an instant there is none.
        if target.exists():
            target.rename(old)
        new.rename(target)
    finally:
        _settle(target, staging)


def _settle(target: Path, staging: Path):
    """Puts back what an export killed in that instant had moved away; sweeps up the rest."""
    if (staging / "old").exists() and not target.exists():
        (staging / "old").rename(target)
    shutil.rmtree(staging, ignore_errors=True)
