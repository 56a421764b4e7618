"""Strips of frames, which show the states of chains from left to right."""

import numpy as np
import tensorflow as tf

from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.pictures.scatter import scatter
from tf_shortrun.evals.pictures.tiles import grid

_SIDE = 160  # pixels of a panel of points


def pick(walk: tf.Tensor, frames: int) -> np.ndarray:
    """Returns F = `frames` equally spaced states of a walk [K + 1, B, ...]: [F, B, ...].

    The first and the last state are included. If the walk has fewer states, some are repeated.
    """
    walk = np.asarray(walk)
    return walk[np.linspace(0, len(walk) - 1, frames).round().astype(int)]


def draw(states: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Draws states [F, B, ...] with one column per frame: uint8 [H, W, 3].

    Each image has its own row. Points in the plane share one panel per frame, over the test points.
    """
    if dataset.image_shape == (2,):
        panels = [scatter(points, dataset.test.images, _SIDE) for points in states]
        tiles = np.stack(panels) / 127.5 - 1.0
    else:
        tiles = states.swapaxes(0, 1).reshape(-1, *dataset.image_shape)
    return grid(tiles, len(states))
