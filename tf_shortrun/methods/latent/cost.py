"""What a learner costs in numbers that no machine changes: for comparing on equal terms."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core.capabilities import can, require
from tf_shortrun.core.contracts import CountsPasses, HasSecondStage, Passes
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset


@dataclasses.dataclass(frozen=True)
class Cost:
    """Parameters of each network, steps of the chain, and arithmetic of one update.

        (2 K + 3) generator + 3 encoder,    forward passes for the whole batch

    A step of the chain goes forward and back to the latents, the update also back to the weights;
    a multiplication and an addition are two. A learner that does more adds it, and one with a
    second stage says where it begins and what its updates cost.

    batch_size: of training.
    """

    metrics: ClassVar = {
        "parameters/*": Metric("", "Trainable numbers of a network."),
        "chain_steps": Metric("", "K, the steps of the chain that infers; 0 where none does."),
        "flops_per_update": Metric(
            "lower", "Arithmetic of one update; of the first stage, if of two."
        ),
        "first_updates": Metric("", "Updates of the first stage."),
        "flops_per_second_update": Metric("lower", "Arithmetic of one update of the second stage."),
    }

    batch_size: int

    def __call__(self, learner: CountsPasses, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Raises InputError if the learner does not count what an update computes."""
        del seed
        require(learner, CountsPasses, "Cost")
        image = tf.zeros([1, *dataset.image_shape])
        networks = {n: part for n, part in learner.state.items() if isinstance(part, keras.Model)}
        numbers = {
            f"parameters/{name}": sum(int(np.prod(v.shape)) for v in part.trainable_variables)
            for name, part in networks.items()
        }
        numbers["chain_steps"] = learner.chain_steps
        numbers["flops_per_update"] = self.batch_size * _flops(learner.passes(image))
        if can(learner, HasSecondStage):
            numbers["first_updates"] = learner.num_first_steps
            second = learner.second_passes(image)
            numbers["flops_per_second_update"] = self.batch_size * _flops(second)
        return numbers

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """How each number was made, one sentence each."""
        del dataset
        passes = "Passes through each network, forth and back to latents and to weights"
        flops = f"{passes}, for {self.batch_size} examples."
        return {"flops_per_update": flops, "flops_per_second_update": flops}


def _flops(passes: Iterable[Passes]) -> int:
    return sum(p.number * count_flops(p.work, *p.arguments) for p in passes)


def count_flops(work: Callable, *arguments: tf.Tensor) -> int:
    """Operations of the graph of `work`; loops are counted once."""
    graph = tf.function(work, autograph=False).get_concrete_function(*arguments).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
