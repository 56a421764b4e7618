"""What a learner costs in numbers that no machine changes: for comparing on equal terms."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.data.dataset import Dataset
from tf_shortrun.errors import InputError
from tf_shortrun.learners.base import HasLatents
from tf_shortrun.shapes import Seed

ENCODERS = ("encoder", "start_network")  # what they are called in the state of a learner


@dataclasses.dataclass(frozen=True)
class Cost:
    """Parameters of each network, steps of the chain, and arithmetic of one update.

        (2 K + 3) generator + 3 encoder,    forward passes for the whole batch

    A step of the chain goes forward and back to the latents, the update also back to the weights;
    a multiplication and an addition are two.

    batch_size: of training.
    """

    batch_size: int

    def __call__(self, learner: HasLatents, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Raises InputError if the learner decodes no latents."""
        if not isinstance(learner, HasLatents):
            raise InputError(
                f"{type(learner).__name__} decodes no latents: take Cost out of the evals"
            )
        image = tf.zeros([1, *dataset.image_shape])
        networks = {n: part for n, part in learner.state.items() if isinstance(part, keras.Model)}
        latents = learner.sample_latents(1, seed)
        generator = count_flops(lambda *z: learner.decode(list(z)), *latents)
        encoders = [networks[name] for name in ENCODERS if name in networks]
        steps = getattr(getattr(learner, "inference", None), "num_steps", 0)
        flops = (2 * steps + 3) * generator + 3 * sum(count_flops(e, image) for e in encoders)
        parameters = {
            f"parameters/{name}": sum(int(np.prod(v.shape)) for v in part.trainable_variables)
            for name, part in networks.items()
        }
        return {**parameters, "chain_steps": steps, "flops_per_update": flops * self.batch_size}

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """How each number was made, one sentence each."""
        del dataset
        passes = "(2 K + 3) passes through the generator and 3 through encoders"
        return {"flops_per_update": f"{passes}, for {self.batch_size} examples."}


def count_flops(work: Callable, *arguments: tf.Tensor) -> int:
    """Operations of the graph of `work`; loops are counted once."""
    graph = tf.function(work, autograph=False).get_concrete_function(*arguments).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
