"""Checks of the inputs and outputs of a served signature, as part of its graph.

A loaded signature accepts any shape and any value. Each check is an assertion, which runs before
the inputs are used. A failed check names the wrong input, how to correct it and its value.

Shapes are checked as text. The graph optimiser assumes the rank and sizes that a signature
declares, so it would remove a comparison of numbers as always true.
"""

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf

# Of the observations of one call, as float32; as text in JSON they take up to four times as many.
MAX_BYTES = 2**24
MAX_EXAMPLES = 4096
_SHAPE = "resize images to this size, give points the same columns as in training"
_SCALE = "scale points as in training, for images take pixel / 127.5 - 1"


def most(shape: list[int]) -> int:
    """Returns how many observations of this shape one call may have."""
    return max(1, min(MAX_EXAMPLES, MAX_BYTES // (4 * math.prod(shape))))


def checked_seed(seed: tf.Tensor, shape: list[int], num: str | tf.Tensor = r"\d+") -> tf.Tensor:
    """Returns `seed` after checking that it is [2]; or if it is declared [None, 2], [B, 2].

    Args:
      num: B, as text.
    """
    if seed.shape.rank == 1:
        return checked(seed, [reads(seed, r"\[-?\d+ -?\d+\]", "seed must be two numbers")])
    seed = _checked_shape("seed", seed, [2], "give two numbers for each row", num)
    return checked(seed, [_is_size("the number of rows", tf.shape(seed)[0], shape)])


def checked_count(n: tf.Tensor, shape: list[int]) -> tf.Tensor:
    """Returns `n` after checking that it is a scalar of at least 1 and not too large."""
    n = checked(n, [reads(n, r"-?\d+", "n must be one number, without brackets")])
    return checked(n, [_is_size("n", n, shape)])


def checked_image(
    image: tf.Tensor, shape: list[int], name: str = "image", num: str | tf.Tensor = r"\d+"
) -> tf.Tensor:
    """Returns `image` after checking that it is [B, *shape] in [-1, 1], and B not too large."""
    return _checked_pixels(name, _checked_shape(name, image, shape, _SHAPE, num), shape)


def checked_rows(rows_: tf.Tensor, shape: list[int], name: str) -> tf.Tensor:
    """Returns rows of a table after checking that they are finite, [B, D], and B not too large."""
    rows_ = _checked_shape(name, rows_, shape, "give the columns of training, without labels")
    size = _is_size("the number of rows", tf.shape(rows_)[0], shape)
    return checked(rows_, [size, _is_finite(name, rows_)])


def checked_hidden(image: tf.Tensor, mask: tf.Tensor, shape: list[int]) -> tuple:
    """Returns the image, with 0 at hidden pixels, and the mask, after checking both.

    The mask must be [B, H, W, 1]: one mask for each image. The hidden pixels of `image` may hold
    any value.
    """
    image = _checked_shape("image", image, shape, _SHAPE)
    mask = _checked_shape("mask", mask, [*shape[:2], 1], "give one for each image", rows(image))
    return _checked_pixels("image", tf.where(mask, image, 0.0), shape), mask


def checked_latents(layers: Mapping[str, tf.Tensor], widths: list[int], shape: list[int]) -> list:
    """Returns the layers after checking that they are finite, [B, d_l], with the same B."""
    num, found = r"\d+", []
    for (name, z), width in zip(layers.items(), widths, strict=True):
        z = _checked_shape(name, z, [width], "give what encode returned", num)
        size = _is_size("the number of rows", tf.shape(z)[0], shape)
        found.append(checked(z, [size, _is_finite(name, z)]))
        num = rows(z)
    return found


def checked_position(position: tf.Tensor, num: str | tf.Tensor) -> tf.Tensor:
    """Returns `position` after checking that it is [B] in [0, 1]."""
    position = _checked_shape("position", position, [], "give one number for each row", num)
    inside = tf.reduce_all((position >= 0.0) & (position <= 1.0))  # not NaN
    return checked(position, [(inside, "position must lie in [0, 1]; it is", position)])


def checked_label(label: tf.Tensor, known: Sequence[int], num: str | tf.Tensor) -> tf.Tensor:
    """Returns `label` after checking that it is [B], of known labels."""
    label = _checked_shape("label", label, [], "give one number for each row", num)
    fine = tf.reduce_all(tf.reduce_any(label[:, None] == tf.constant(known, tf.int32), axis=1))
    more = f" and {len(known) - 20} more" if len(known) > 20 else ""
    names = ", ".join(map(str, known[:20])) + more
    return checked(label, [(fine, f"label must be one of {names}; it is", label)])


def checked_files(files: tf.Tensor, shape: list[int], name: str) -> tf.Tensor:
    """Returns strings after checking that they are [B], and B not too large."""
    files = _checked_shape(name, files, [], "give a list of files, each as base64 in JSON")
    return checked(files, [_is_size("the number of images", tf.shape(files)[0], shape)])


def finite(outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns outputs after checking that they have no NaN and no infinity."""
    words = "the model made NaN or infinity of these inputs: it is broken"
    return {
        name: checked(x, [(tf.reduce_all(tf.math.is_finite(x)), words)])
        for name, x in outputs.items()
    }


def rows(tensor: tf.Tensor) -> tf.Tensor:
    """Returns the number of rows, as text."""
    return tf.strings.as_string(tf.shape(tensor)[0])


def reads(tensor: tf.Tensor, pattern: str | tf.Tensor, message: str) -> tuple:
    """Returns the check that a tensor, as text, matches a regular expression."""
    text = tf.strings.format("{}", tensor)
    return tf.strings.regex_full_match(text, pattern), f"{message}; it is", text


def checked(tensor: tf.Tensor, checks) -> tf.Tensor:
    """Returns `tensor`, such that all uses of it wait for the checks (condition, *message)."""
    asserts = [tf.debugging.Assert(ok, message) for ok, *message in checks]
    with tf.control_dependencies(asserts):
        return tf.identity(tensor)


def _checked_shape(
    name: str, tensor: tf.Tensor, shape: list[int], remedy: str, num: str | tf.Tensor = r"\d+"
) -> tf.Tensor:
    """Returns `tensor` after checking that it is [B, *shape]. `num` is a regex for B."""
    sizes = "".join(f" {size}" for size in shape)
    pattern = tf.strings.join([r"\[", num, sizes, r"\]"])
    message = f"the shape of {name} must be [B{sizes}]: {remedy}"
    # Shape is checked first: on a wrong rank the other checks fail with unclear errors.
    return checked(tensor, [reads(tf.shape(tensor), pattern, message)])


def _checked_pixels(name: str, image: tf.Tensor, shape: list[int]) -> tf.Tensor:
    is_finite = _is_finite(name, image)
    largest = tf.reduce_max(tf.abs(image))
    in_range = ~is_finite[0] | (largest <= 1.001)
    checks = [
        _is_size("the number of images", tf.shape(image)[0], shape),
        is_finite,
        (in_range, f"{name} must lie in [-1, 1]: {_SCALE}; it reaches", largest),
    ]
    return checked(image, checks)


def _is_finite(name: str, tensor: tf.Tensor) -> tuple:
    fine = tf.reduce_all(tf.math.is_finite(tensor))
    return fine, f"{name} must be finite: remove NaN and infinity"


def _is_size(name: str, number: tf.Tensor, shape: list[int]) -> tuple:
    fits = (number >= 1) & (number <= most(shape))
    return fits, f"{name} must be 1 to {most(shape)}: ask for more in several calls; it is", number
