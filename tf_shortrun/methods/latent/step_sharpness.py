"""An eval of the stability of the Langevin steps of a learner, see `curvature.py`."""

import dataclasses
from typing import ClassVar

import tensorflow as tf

from tf_shortrun.core.contracts import Learner, Watches
from tf_shortrun.core.evaluation import Metric, needs
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals import subset
from tf_shortrun.methods.latent.curvature import NUM_IMAGES


@dataclasses.dataclass(frozen=True)
class StepSharpness:
    """An eval of s lambda along chains of test images, as it is watched in training."""

    metrics: ClassVar = {
        "step_sharpness/*": Metric(
            "",
            "Step size times the largest curvature of -log p(z, x), the median over chains at this "
            "place (worst: the largest of all). A step is unstable above 2.",
        ),
    }

    check = needs(Watches)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns s lambda at the start, the middle and the end of chains, and the largest.

        Raises:
          InputError: if the learner has nothing to watch.
        """
        self.check(learner, dataset)
        images = subset.spread(dataset, NUM_IMAGES)
        (batch,) = images.test_batches(NUM_IMAGES)
        seen = tf.function(learner.watch)(batch, seed)
        return {name: float(value) for name, value in seen.items()}

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence for all places."""
        where = subset.phrase(dataset, NUM_IMAGES)
        return {
            "step_sharpness/*": (
                "Step size times the largest eigenvalue of the Hessian of -log p(z, x) in all "
                f"layers together, by 12 rounds of power iteration, over {where}: medians, and the "
                "largest as worst."
            )
        }
