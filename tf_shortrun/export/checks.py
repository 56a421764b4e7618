"""Checks of what a served signature is given, as part of its graph.

A loaded signature takes any shape and any number. Each check is an assertion that the inputs
wait for; one that fails names the culprit, the remedy and what was given.

Shapes are checked as text: what a signature declares about rank and sizes is taken for
granted when the graph is optimised, and a comparison of numbers is settled by it.
"""

import tensorflow as tf

# Examples a call: a bound on the memory that one request can take.
MAX_EXAMPLES = 4096
_SHAPE = "resize images, give points in the columns of training"
_SCALE = "scale points as in training, of images take pixel / 127.5 - 1"


def checked_seed(seed: tf.Tensor) -> tf.Tensor:
    """`seed`, which must be [2]."""
    return _checked(seed, [_reads(seed, r"\[-?\d+ -?\d+\]", "seed must be two numbers")])


def checked_count(n: tf.Tensor) -> tf.Tensor:
    """`n`, which must be one number from 1 to MAX_EXAMPLES."""
    n = _checked(n, [_reads(n, r"-?\d+", "n must be one number, without brackets")])
    return _checked(n, [_is_size("n", n)])


def checked_image(image: tf.Tensor, shape: list[int]) -> tf.Tensor:
    """`image`, which must be [B, *shape] in [-1, 1], B up to MAX_EXAMPLES."""
    return _checked_pixels(_checked_shape("image", image, shape, _SHAPE))


def checked_hidden(image: tf.Tensor, mask: tf.Tensor, shape: list[int]) -> tuple:
    """The image, 0 where it is hidden, and the mask, which must be one [H, W, 1] for each image.

    What is hidden may be any number.
    """
    image = _checked_shape("image", image, shape, _SHAPE)
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
    """`tensor`; whatever is computed from it waits for the checks (condition, *message)."""
    asserts = [tf.debugging.Assert(ok, message) for ok, *message in checks]
    with tf.control_dependencies(asserts):
        return tf.identity(tensor)
