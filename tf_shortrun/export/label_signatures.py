"""The signature of a learner that makes observations of a given label.

    sample_label   seed int32 [B, 2], label int32 [B]   -> images [B, ...]

Its rows have seeds of their own, as in `signatures.of_rows`. A label of which the learner saw no
example is refused. It is there if label 0 is known, which warms a server up.
"""

from typing import cast

import numpy as np
import tensorflow as tf

from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Learner, SamplesLabels
from tf_shortrun.export import checks
from tf_shortrun.export.signatures import Signature, traced


def of_labels(learner: Learner) -> dict[str, Signature]:
    """Returns `sample_label`, or nothing if the learner makes no observations of a label."""
    if not can(learner, SamplesLabels):
        return {}
    known = np.flatnonzero(learner.label_counts()).tolist()
    if 0 not in known:
        return {}
    shape = list(cast(Learner, learner).image_shape)

    def sample_label(seed, label):
        label = checks.checked_label(label, known, checks.rows(seed))
        images = learner.sample_of(label, checks.checked_seed(seed, shape))
        return checks.finite({"images": tf.ensure_shape(images, [None, *shape])})

    seeds = tf.TensorSpec([None, 2], tf.int32, "seed")
    inputs = {"seed": seeds, "label": tf.TensorSpec([None], tf.int32, "label")}
    return {"sample_label": traced(Signature(sample_label, inputs))}
