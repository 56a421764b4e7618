"""How long and from what a learner learns, whatever it is."""

import dataclasses

from tf_shortrun.core.capabilities import can, require
from tf_shortrun.core.contracts import Adapts, Learner
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.dataset import Dataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Course:
    """What `train` needs beside a learner.

    Attributes:
      dataset: the two splits.
      batch_size: examples in one update, over all replicas.
      num_steps: updates in all.
      seed: of weights, data order and every noise.
      adapt_every: updates between two choices of the learner, e.g. of its step sizes, the first
        before any update; None for a learner that has nothing to choose.
      log_every, checkpoint_every: in steps; pictures are drawn with each checkpoint.
      jit_compile: whether an update is one program of XLA, for one GPU, not a graph.
    """

    dataset: Dataset
    batch_size: int
    num_steps: int
    seed: int
    checkpoint_every: int
    log_every: int = 20
    adapt_every: int | None = None
    jit_compile: bool = False

    def __post_init__(self):
        for name in ("num_steps", "checkpoint_every", "log_every", "adapt_every"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}: choose at least 1")

    def check(self, learner: Learner):
        """Returns if the learner can go through it.

        Raises:
          InputError: if model and data do not have the same shape, or `adapt_every` does not go
            with the learner.
        """
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
