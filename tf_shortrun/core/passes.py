"""Passes through networks, which learners list so that arithmetic can be counted."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from tf_shortrun.core.shapes import Latents


class Passes(NamedTuple):
    """`number` passes through the function `work` at `arguments`.

    A forward pass, a backward pass to the arguments and a backward pass to the weights count as
    one pass each.
    """

    number: int
    work: Callable
    arguments: Sequence[tf.Tensor | Latents]
