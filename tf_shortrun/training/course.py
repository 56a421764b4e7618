"""The training settings that do not depend on the method: data, batch size, number of steps."""

import dataclasses

from tf_shortrun.core.capabilities import can, require
from tf_shortrun.core.contracts import Adapts, Learner, Watches
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Eval, HasNeeds
from tf_shortrun.core.optimizer_numbers import check_optimizers
from tf_shortrun.data.dataset import Dataset

_LARGEST = 2**31 - 1  # steps and seeds are int32
_MOST_ROLLBACKS = 20  # after that, learning rates are a millionth
_BATCH_SIZE = 50


@dataclasses.dataclass(frozen=True, kw_only=True)
class Course:
    """The settings that `train` needs in addition to a learner.

    Attributes:
      dataset: the data set, with its training and test splits.
      batch_size: number of examples in one update, summed over all replicas; None for 50, or
        fewer for fewer examples: a multiple of 5, into which some learners divide a batch.
      num_steps: total number of updates.
      seed: seed of the weights, the data order and all noise, from 0 to 2^31 - 1.
      adapt_every: number of updates between two calls of the learner's `adapt`, which chooses e.g.
        its step sizes. The first call is before the first update. None for a learner without
        `adapt`.
      watch_every: number of updates between two calls of the learner's `watch`, which measures what
        is too expensive for every update; None never calls it.
      max_rollbacks: number of times that the run may go back to its last checkpoint, with other
        noise and smaller rates, when it breaks; see `rollback.py`.
      log_every, checkpoint_every: intervals in steps. Pictures are drawn with each checkpoint.
      validation: an eval that judges the learner at every checkpoint on training examples that it
        does not learn from; the run ends with the best of these states. See `validation.py`.
      num_validation: number of these examples; None for a tenth of the training examples.
      patience: number of checkpoints without a better value after which the run ends; None for no
        end before `num_steps`.
      jit_compile: whether an update is compiled by XLA into one program (for one GPU) instead of
        running as a graph.
    """

    dataset: Dataset
    batch_size: int | None
    num_steps: int
    seed: int
    checkpoint_every: int
    log_every: int = 20
    adapt_every: int | None = None
    watch_every: int | None = None
    max_rollbacks: int = 0
    validation: Eval | None = None
    num_validation: int | None = None
    patience: int | None = None
    jit_compile: bool = False

    def __post_init__(self):
        names = ("num_steps", "checkpoint_every", "log_every", "adapt_every", "watch_every")
        names += ("num_validation", "patience")
        for name in names:
            value = getattr(self, name)
            if value is not None and not 1 <= value <= _LARGEST:
                limit = "at least 1" if value < 1 else f"at most {_LARGEST}"
                raise InputError(f"{name} is {value}: choose {limit}")
        if self.validation is None and (self.num_validation, self.patience) != (None, None):
            raise InputError("num_validation and patience need a validation: bind an eval to it")
        if not 0 <= self.max_rollbacks <= _MOST_ROLLBACKS:
            raise InputError(
                f"max_rollbacks is {self.max_rollbacks}: choose from 0 to {_MOST_ROLLBACKS}"
            )
        if not 0 <= self.seed <= _LARGEST:
            raise InputError(f"seed is {self.seed}: choose from 0 to {_LARGEST}")

    @property
    def examples_per_update(self) -> int:
        """The number of examples in one update."""
        if self.batch_size is not None:
            return self.batch_size
        most = min(_BATCH_SIZE, self.trained_on.num_learned)
        return most if most < 5 else most // 5 * 5

    @property
    def trained_on(self) -> Dataset:
        """The data set, whose batches for training leave out what is held out for validation."""
        if self.validation is None:
            return self.dataset
        num = self.num_validation or max(1, len(self.dataset.train.images) // 10)
        return dataclasses.replace(self.dataset, num_held_out=num)

    def check(self, learner: Learner):
        """Checks that the learner can be trained with these settings.

        Raises:
          InputError: if model and data do not have the same shape, if `adapt_every` does not fit
            the learner, or if a number of an optimizer makes no sense.
        """
        if self.validation is not None and can(self.validation, HasNeeds):
            self.validation.check(learner, self.trained_on.held_out())
        check_optimizers(learner.state.values())
        if self.adapt_every is not None:
            require(learner, Adapts, "adapt_every")
        elif can(learner, Adapts):
            raise InputError(
                f"adapt_every is None, but {type(learner).__name__} chooses its own step sizes: "
                "bind adapt_every, or bind a number to ShortRun.step_size"
            )
        if self.watch_every is not None:
            require(learner, Watches, "watch_every")
        if tuple(learner.image_shape) != tuple(self.dataset.image_shape):
            raise InputError(
                f"the model makes {tuple(learner.image_shape)} but {self.dataset.name} has shape "
                f"{tuple(self.dataset.image_shape)}: bind the same shape to both"
            )
