"""A learner as a SavedModel for TensorFlow Serving, with signatures that check their inputs.

    sample       seed int32 [2], n int32 []                   -> images [n, H, W, C]
    reconstruct  image float32 [B, H, W, C], seed int32 [2]   -> images [B, H, W, C]
    inpaint      image float32 [B, H, W, C], mask bool [B, H, W, 1], seed int32 [2]
                                                              -> images [B, H, W, C]

The second exists if the learner reconstructs, the third if it inpaints images: pixels
where mask is true come back as they were given, the others are filled in, and what
image holds there does not matter. All depend on their inputs alone: one seed gives the
same pictures whenever it is asked. A loaded signature takes any shape and any number,
so the checks are part of the graph; a call that fails one is answered with
InvalidArgument.

A `tf.Module` around a Keras 3 model, saved by `tf.saved_model.save`, loads in Python
but not in the C++ loader of the server (keras-team/keras issue 20095). What
`keras.export.ExportArchive` writes loads in both.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from tf_shortrun.errors import InputError
from tf_shortrun.learners.base import Inpaints, Learner, Reconstructs

# Examples a call: a bound on the memory that one request can take.
MAX_EXAMPLES = 4096


def export(learner: Learner, workdir: Path, name: str) -> Path:
    """Writes `<workdir>/saved_model/1` and returns that path.

    Beside it, `<workdir>/models.config` tells `tensorflow_model_server
    --model_config_file` to serve the folder as `name`. An earlier export is replaced
    only by a complete one: an export that fails leaves no trace.

    Raises:
      InputError: if `name` cannot stand in an address, or the learner holds code
        compiled by XLA, which the server does not run.
    """
    if not re.fullmatch(r"[\w.-]+", name, re.ASCII):
        raise InputError(f"model name {name!r}: use letters, digits, and any of _ . - only")
    archive = _archive(learner)
    target = workdir.resolve() / "saved_model" / "1"
    with _staging(target, workdir / ".export") as folder:
        archive.write_out(folder, verbose=False)
        config = folder.with_name("models.config")
        config.write_text(_config(name, target.parent), encoding="utf-8")
        config.replace(workdir / "models.config")
    return target


def _archive(learner: Learner) -> keras.export.ExportArchive:
    """The signatures of the learner; variables that are not Keras' follow from their use."""
    shape = list(learner.image_shape)
    seed = tf.TensorSpec([2], tf.int32, "seed")
    image = tf.TensorSpec([None, *shape], tf.float32, "image")

    def sample(seed, n):
        images = learner.sample(_checked_count(n), _checked_seed(seed))
        return {"images": tf.ensure_shape(images, [None, *shape])}

    def reconstruct(image, seed):
        batch = {"image": _checked_image(image, shape)}
        images = learner.reconstruct(batch, _checked_seed(seed))
        return {"images": tf.ensure_shape(images, [None, *shape])}

    def inpaint(image, mask, seed):
        image, mask = _checked_hidden(image, mask, shape)
        images = learner.inpaint({"image": image, "mask": mask}, _checked_seed(seed))
        return {"images": tf.ensure_shape(tf.where(mask, image, images), [None, *shape])}

    archive = keras.export.ExportArchive()
    # The first signature is also the default one.
    _add(archive, sample, [seed, tf.TensorSpec([], tf.int32, "n")])
    if isinstance(learner, Reconstructs):
        _add(archive, reconstruct, [image, seed])
    if isinstance(learner, Inpaints) and len(shape) == 3:
        mask = tf.TensorSpec([None, *shape[:2], 1], tf.bool, "mask")
        _add(archive, inpaint, [image, mask, seed])
    return archive


def _add(archive: keras.export.ExportArchive, signature, specs) -> None:
    name = signature.__name__
    graph = archive.add_endpoint(name, signature, specs).get_concrete_function().graph
    for function in graph.as_graph_def().library.function:
        if function.attr["_XlaMustCompile"].b:
            raise InputError(
                f"signature {name}: {function.signature.name} is compiled by XLA, which "
                "tensorflow_model_server does not run: export a learner with jit_compile=False"
            )


# Shapes are checked as text: what the signature declares about rank and sizes is taken for
# granted when the graph is optimised, and a comparison of numbers is settled by it.


def _checked_seed(seed: tf.Tensor) -> tf.Tensor:
    return _checked(seed, [_reads(seed, r"\[-?\d+ -?\d+\]", "seed must be two numbers")])


def _checked_count(n: tf.Tensor) -> tf.Tensor:
    n = _checked(n, [_reads(n, r"-?\d+", "n must be one number, without brackets")])
    return _checked(n, [_is_size("n", n)])


def _checked_image(image: tf.Tensor, shape: list[int]) -> tf.Tensor:
    return _checked_pixels(_checked_shape("image", image, shape, "resize it"))


def _checked_hidden(image: tf.Tensor, mask: tf.Tensor, shape: list[int]) -> tuple:
    """The image, 0 where it is hidden, and the mask."""
    image = _checked_shape("image", image, shape, "resize it")
    num = tf.strings.as_string(tf.shape(image)[0])
    mask = _checked_shape("mask", mask, [*shape[:2], 1], "give one for each image", num)
    return _checked_pixels(tf.where(mask, image, 0.0)), mask


def _checked_shape(
    name: str, tensor: tf.Tensor, shape: list[int], remedy: str, num: str | tf.Tensor = r"\d+"
) -> tf.Tensor:
    """`tensor`, which must be [B, *shape]; `num` is a pattern for B."""
    sizes = " ".join(map(str, shape))
    pattern = tf.strings.join([r"\[", num, f" {sizes}", r"\]"])
    message = f"the shape of {name} must be [B {sizes}]: {remedy}"
    # First, as the other checks fail in words of their own on another rank.
    return _checked(tensor, [_reads(tf.shape(tensor), pattern, message)])


def _checked_pixels(image: tf.Tensor) -> tf.Tensor:
    finite = tf.reduce_all(tf.math.is_finite(image))
    largest = tf.reduce_max(tf.abs(image))
    in_range = ~finite | (largest <= 1.001)
    checks = [
        _is_size("the number of images", tf.shape(image)[0]),
        (finite, "image must be finite: remove NaN and infinity"),
        (in_range, "image must lie in [-1, 1]: take pixel / 127.5 - 1; it reaches", largest),
    ]
    return _checked(image, checks)


def _reads(tensor: tf.Tensor, pattern: str | tf.Tensor, message: str) -> tuple:
    text = tf.strings.format("{}", tensor)
    return tf.strings.regex_full_match(text, pattern), f"{message}; it is", text


def _is_size(name: str, number: tf.Tensor) -> tuple:
    fits = (number >= 1) & (number <= MAX_EXAMPLES)
    return fits, f"{name} must be 1 to {MAX_EXAMPLES}: ask for more in several calls; it is", number


def _checked(tensor: tf.Tensor, checks) -> tf.Tensor:
    """`tensor`; whatever is computed from it waits for the checks (condition, *message)."""
    asserts = [tf.debugging.Assert(ok, message) for ok, *message in checks]
    with tf.control_dependencies(asserts):
        return tf.identity(tensor)


def _config(name: str, base_path: Path) -> str:
    # Strings of the protobuf text format are quoted as in JSON.
    name, base_path = (json.dumps(str(text), ensure_ascii=False) for text in (name, base_path))
    entry = f'name: {name} base_path: {base_path} model_platform: "tensorflow"'
    return f"model_config_list {{\n  config {{ {entry} }}\n}}\n"


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
