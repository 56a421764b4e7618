"""Images resized to small squares, for a classifier that is to train in little time."""

import tensorflow as tf


def small_shape(image_shape: tuple[int, ...], largest_side: int | None) -> tuple[int, ...]:
    """Returns the shape of images (H, W, C) after `resized`: a square of at most this side.

    Squares that are small enough keep their shape, and so do all images without a largest side.
    """
    height, width, channels = image_shape
    if largest_side is None or height == width <= largest_side:
        return image_shape
    side = min(largest_side, height, width)
    return side, side, channels


def resized(images: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Returns images [B, H, W, C] of this shape, bilinear and antialiased; stretched if need be."""
    if tuple(images.shape[1:]) == tuple(shape):
        return images
    return tf.image.resize(images, shape[:2], antialias=True)
