"""Words and shapes used by every room of the house.

Letters, in docstrings and comments:

    B  examples in a batch          K  steps of a chain
    L  latent layers                d_l  width of latent layer l (L is the top)
    D  numbers in one observation   H W C  height, width, channels of an image

Observations lie in [-1, 1]. They are images `[B, H, W, C]` or points `[B, D]`;
every density sums over all axes but the first, so nothing else depends on rank.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

# Top to bottom: [B, d_L], ..., [B, d_1]. In noise space: each entry is N(0, I) a priori.
Latents = Sequence[tf.Tensor]

# {"image": [B, H, W, C] float32 in [-1, 1], "index": [B] int64, "label": [B] int32}.
# `index` names the example within its split; `label` is -1 where there is none. Where part of
# an image is hidden, "mask": bool [B, H, W, 1], True where it was observed.
Batch = Mapping[str, tf.Tensor]

# int32 [2], as every tf.random.stateless_* function takes it.
Seed = tf.Tensor

# name -> float32 scalar
Metrics = Mapping[str, tf.Tensor]
