"""A learner whose inference is traced once for each type of its inputs, not in every signature.

`reconstruct`, `score`, `encode` and `interpolate` begin with the same inference, and the graph of a
chain takes longer to trace than all the rest of a signature. Most signatures end by decoding.
"""

import copy

import tensorflow as tf

from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import HasLatents, Learner


def traced_once(learner: Learner) -> Learner:
    """Returns a copy with the same variables; `infer` and `decode` have a graph per input type."""
    made = copy.copy(learner)
    if can(learner, HasLatents):
        for name in ("infer", "decode"):
            setattr(made, name, tf.function(getattr(learner, name), autograph=False))
    return made
