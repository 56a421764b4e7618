"""Export of a learner as a SavedModel for TensorFlow Serving. Its signatures check their inputs.

    sample       seed int32 [2], n int32 []                   -> images [n, H, W, C]
    reconstruct  image float32 [B, H, W, C], seed int32 [2]   -> images [B, H, W, C]
    inpaint      image float32 [B, H, W, C], mask bool [B, H, W, 1], seed int32 [2]
                                                              -> images [B, H, W, C]
    score        image float32 [B, H, W, C], seed int32 [2]   -> scores float32 [B]

Every learner has the signature `sample`. The others exist if the learner has the capability.
Where observations are points, image is [B, D] and there is no signature `inpaint`. Pixels where
mask is true (observed) are returned unchanged, the other pixels (hidden) are filled in, and the
values of image at hidden pixels have no effect. Scores are higher for observations that are less
like the data. Outputs depend on the inputs alone: the same seed gives the same numbers in every
call. Inputs are checked in the graph (`checks.py`); a call that fails a check returns the error
InvalidArgument.

A `tf.Module` around a Keras 3 model, saved by `tf.saved_model.save`, loads in Python
but not in the C++ loader of the server (keras-team/keras issue 20095). A SavedModel written by
`keras.export.ExportArchive` loads in both. The server has no XLA: functions that XLA compiles
here run there as plain graphs, with the same result up to rounding.
"""

import contextlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tf_shortrun.core.address import check_address
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Inpaints, Learner, Reconstructs, Scores
from tf_shortrun.export.checks import (
    checked_count,
    checked_hidden,
    checked_image,
    checked_seed,
)
from tf_shortrun.export.serving import models_config


def export(learner: Learner, workdir: Path, name: str) -> Path:
    """Writes the SavedModel to `<workdir>/saved_model/1` and returns that path.

    Also writes `<workdir>/models.config`, which tells `tensorflow_model_server
    --model_config_file` to serve the folder as `name`. An earlier export is replaced
    only by a complete one: an export that fails leaves no files.

    Raises:
      InputError: if `name` has characters that cannot be used in a URL.
    """
    check_address(name)
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
    """Returns an archive with the signatures of the learner.

    Keras finds variables that are not its own because the signatures use them.
    """
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
    # Keras makes the first signature the default one.
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
    """Removes the XLA attribute of compiled functions, so that the server runs plain graphs."""
    saved = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    graph = saved.meta_graphs[0].graph_def
    nodes = itertools.chain(graph.node, *(f.node_def for f in graph.library.function))
    for marked in itertools.chain(nodes, graph.library.function):
        marked.attr.pop("_XlaMustCompile", None)
    file.write_bytes(saved.SerializeToString(deterministic=True))


@contextlib.contextmanager
def _staging(target: Path, staging: Path) -> Iterator[Path]:
    """Yields a new folder, which replaces `target` if the block succeeds."""
    new, old = staging / "new", staging / "old"
    _settle(target, staging)
    new.mkdir(parents=True)
    try:
        yield new
        target.parent.mkdir(exist_ok=True)
        # A folder cannot replace a folder in one rename: for an instant there is no `target`.
        if target.exists():
            target.rename(old)
        new.rename(target)
    finally:
        _settle(target, staging)


def _settle(target: Path, staging: Path):
    """Deletes `staging`. First restores `target` if an export was killed between its renames."""
    if (staging / "old").exists() and not target.exists():
        (staging / "old").rename(target)
    shutil.rmtree(staging, ignore_errors=True)
