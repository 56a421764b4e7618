"""Checks of the inputs of a served signature, as part of its graph.

A loaded signature accepts any shape and any value. Each check is an assertion, which runs before
the inputs are used. A failed check names the wrong input, how to correct it and its value.

Shapes are checked as text. The graph optimiser assumes the rank and sizes that a signature
declares, so it would remove a comparison of numbers as always true.
"""

import tensorflow as tf

# Largest number of examples in a call. It bounds the memory of one request.
MAX_EXAMPLES = 4096
_SHAPE = "resize images to this size, give points the same columns as in training"
_SCALE = "scale points as in training, for images take pixel / 127.5 - 1"


def checked_seed(seed: tf.Tensor) -> tf.Tensor:
    """Returns `seed` after checking that its shape is [2]."""
    return _checked(seed, [_reads(seed, r"\[-?\d+ -?\d+\]", "seed must be two numbers")])


def checked_count(n: tf.Tensor) -> tf.Tensor:
    """Returns `n` after checking that it is a scalar from 1 to MAX_EXAMPLES."""
    n = _checked(n, [_reads(n, r"-?\d+", "n must be one number, without brackets")])
    return _checked(n, [_is_size("n", n)])


def checked_image(image: tf.Tensor, shape: list[int]) -> tf.Tensor:
    """Returns `image` after checking that it is [B, *shape] in [-1, 1], 1 <= B <= MAX_EXAMPLES."""
    return _checked_pixels(_checked_shape("image", image, shape, _SHAPE))


def checked_hidden(image: tf.Tensor, mask: tf.Tensor, shape: list[int]) -> tuple:
    """Returns the image, with 0 at hidden pixels, and the mask, after checking both.

    The mask must be [B, H, W, 1]: one mask for each image. The hidden pixels of `image` may hold
    any value.
    """
    image = _checked_shape("image", image, shape, _SHAPE)
    num = tf.strings.as_string(tf.shape(image)[0])
    mask = _checked_shape("mask", mask, [*shape[:2], 1], "give one for each image", num)
    return _checked_pixels(tf.where(mask, image, 0.0)), mask


def _checked_shape(
    name: str, tensor: tf.Tensor, shape: list[int], remedy: str, num: str | tf.Tensor = r"\d+"
) -> tf.Tensor:
    """Returns `tensor` after checking that it is [B, *shape]. `num` is a regex for B."""
    sizes = " ".join(map(str, shape))
    pattern = tf.strings.join([r"\[", num, f" {sizes}", r"\]"])
    message = f"the shape of {name} must be [B {sizes}]: {remedy}"
    # Shape is checked first: on a wrong rank the other checks fail with unclear errors.
    return _checked(tensor, [_reads(tf.shape(tensor), pattern, message)])


def _checked_pixels(image: tf.Tensor) -> tf.Tensor:
    finite = tf.reduce_all(tf.math.is_finite(image))
    largest = tf.reduce_max(tf.abs(image))
    in_range = ~finite | (largest <= 1.001)
    checks = [
        _is_size("the number of images", tf.shape(image)[0]),
        (finite, "image must be finite: remove NaN and infinity"),
        (in_range, f"image must lie in [-1, 1]: {_SCALE}; it reaches", largest),
    ]
    return _checked(image, checks)


def _reads(tensor: tf.Tensor, pattern: str | tf.Tensor, message: str) -> tuple:
    text = tf.strings.format("{}", tensor)
    return tf.strings.regex_full_match(text, pattern), f"{message}; it is", text


def _is_size(name: str, number: tf.Tensor) -> tuple:
    fits = (number >= 1) & (number <= MAX_EXAMPLES)
    return fits, f"{name} must be 1 to {MAX_EXAMPLES}: ask for more in several calls; it is", number


def _checked(tensor: tf.Tensor, checks) -> tf.Tensor:
    """Returns `tensor`, such that all uses of it wait for the checks (condition, *message)."""
    asserts = [tf.debugging.Assert(ok, message) for ok, *message in checks]
    with tf.control_dependencies(asserts):
        return tf.identity(tensor)
