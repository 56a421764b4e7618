"""The cost of a learner in counts that do not depend on the machine, for fair comparisons."""

import dataclasses
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import CountsPasses, HasSecondStage
from tf_shortrun.core.evaluation import Metric, needs
from tf_shortrun.core.flops import flops
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset


@dataclasses.dataclass(frozen=True)
class Cost:
    """An eval: parameters of each network, steps of the chain, arithmetic of one update.

        (2 K + 3) generator + 3 encoder,    forward passes for the whole batch

    A step of the chain is a forward pass and a backward pass to the latents. The update adds a
    backward pass to the weights. A multiplication and an addition count as two operations. A
    learner that computes more adds its passes. A learner with a second stage also reports when
    this stage begins and what its updates cost.

    Attributes:
      batch_size: that of training.
    """

    metrics: ClassVar = {
        "parameters/*": Metric("", "Number of trainable parameters of a network."),
        "chain_steps": Metric("", "K, the steps of the inference chain; 0 without a chain."),
        "flops_per_update": Metric(
            "lower", "Operations of one update; with two stages, of the first stage."
        ),
        "first_updates": Metric("", "Updates of the first stage."),
        "flops_per_second_update": Metric("lower", "Operations of one update of the second stage."),
    }

    batch_size: int

    check = needs(CountsPasses)

    def __call__(self, learner: CountsPasses, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns the counts. Raises InputError if the learner does not report its passes."""
        del seed
        self.check(learner, dataset)
        image = tf.zeros([1, *dataset.image_shape])
        networks = {n: part for n, part in learner.state.items() if isinstance(part, keras.Model)}
        numbers = {
            f"parameters/{name}": sum(int(np.prod(v.shape)) for v in part.trainable_variables)
            for name, part in networks.items()
        }
        numbers["chain_steps"] = learner.chain_steps
        numbers["flops_per_update"] = self.batch_size * flops(learner.passes(image))
        if can(learner, HasSecondStage):
            numbers["first_updates"] = learner.num_first_steps
            second = learner.second_passes(image)
            numbers["flops_per_second_update"] = self.batch_size * flops(second)
        return numbers

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence for each number of operations: how it was counted."""
        del dataset
        passes = "Forward passes through each network, backward passes to latents and to weights"
        flops = f"{passes}, for {self.batch_size} examples."
        return {"flops_per_update": flops, "flops_per_second_update": flops}
