"""What a gin file describes: one experiment, complete."""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tf_shortrun.core.capabilities import can, check_part, require
from tf_shortrun.core.contracts import Adapts, Learner
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Eval, Picture
from tf_shortrun.data.dataset import Dataset


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Everything that decides a result.

    Attributes:
      method, variant: names of what is run, as in the pin's file name.
      scale: `paper` for the published size, `cpu` for a small one.
      dataset: the two splits.
      make_learner: makes the learner, under the strategy's scope.
      batch_size: examples in one update, over all replicas.
      num_steps: updates in all.
      seed: of weights, data order and every noise.
      evals: what gives numbers, an `Eval` each.
      pictures: what shows, a `Picture` each.
      adapt_every: updates between two choices of the learner, e.g. of its step sizes, the first
        before any update; None for a learner that has nothing to choose.
      log_every, checkpoint_every: in steps; pictures are drawn with each checkpoint.
      jit_compile: whether an update is one program of XLA, for one GPU, not a graph.
    """

    method: str
    dataset: Dataset
    make_learner: Callable
    batch_size: int
    num_steps: int
    seed: int
    scale: str
    evals: Sequence
    pictures: Sequence
    checkpoint_every: int
    log_every: int = 20
    variant: str = ""
    adapt_every: int | None = None
    jit_compile: bool = False

    def __post_init__(self):
        for name in ("num_steps", "checkpoint_every", "log_every", "adapt_every"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: choose at least 1")
        for kind, parts in ((Eval, self.evals), (Picture, self.pictures)):
            for part in parts:
                check_part(part, kind)
        if self.scale not in ("paper", "cpu"):
            raise InputError(f"scale is {self.scale!r}: choose 'paper' or 'cpu'")

    def build(self, strategy: tf.distribute.Strategy) -> Learner:
        """The learner with all its variables, seeded.

        Raises:
          InputError: if model and data do not have the same shape, batches do not fit, or
            `adapt_every` does not go with the learner.
        """
        self.dataset.check_batches(self.batch_size, strategy.num_replicas_in_sync)
        keras.utils.set_random_seed(self.seed)
        with strategy.scope():
            learner = self.make_learner()
        if self.adapt_every is not None:
            require(learner, Adapts, "adapt_every")
        elif can(learner, Adapts):
            raise InputError(
                f"adapt_every is None and {type(learner).__name__} chooses its own step sizes: "
                "bind adapt_every, or a number to ShortRun.step_size"
            )
        if tuple(learner.image_shape) != tuple(self.dataset.image_shape):
            raise InputError(
                f"the model makes {tuple(learner.image_shape)} but {self.dataset.name} holds "
                f"{tuple(self.dataset.image_shape)}: bind the same shape to both"
            )
        return learner
