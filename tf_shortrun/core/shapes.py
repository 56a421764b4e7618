"""Letters, types and shapes that the whole package uses.

Letters, in docstrings and comments:

    B  examples in a batch          K  steps of a chain
    L  latent layers                d_l  width of latent layer l (L is the top)
    D  numbers in one observation   H W C  height, width, channels of an image

Observations lie in [-1, 1]. They are images `[B, H, W, C]` or points `[B, D]`.
Every density sums over all axes but the first, so no other code depends on the rank.
"""

from collections.abc import Mapping, Sequence

import tensorflow as tf

# Top to bottom: [B, d_L], ..., [B, d_1]. In noise space: the prior of each layer is N(0, I).
Latents = Sequence[tf.Tensor]

# {"image": [B, H, W, C] float32 in [-1, 1], "index": [B] int64, "label": [B] int32}.
# `index` is the place of the example in its split; `label` is -1 if there is none. If a part of
# an image is hidden, there is also "mask": bool [B, H, W, 1], True where the image was observed.
Batch = Mapping[str, tf.Tensor]

# int32 [2], as tf.random.stateless_* functions take it; or [B, 2], one seed for each example.
Seed = tf.Tensor

# name -> float32 scalar
Metrics = Mapping[str, tf.Tensor]
