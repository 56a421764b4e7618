"""The complete experiment that a gin file describes."""

import dataclasses
import functools
import types
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from tf_shortrun.core.address import check_address
from tf_shortrun.core.capabilities import check_part
from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Eval, Picture
from tf_shortrun.core.memory import bounded_scope
from tf_shortrun.training.course import Course


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(Course):
    """Everything that decides a result: training settings, a learner, and its evaluation.

    Attributes:
      method, variant: names of the method and of its variant, as in the pin's file name.
      scale: `paper` for the published size, `cpu` for a small one.
      make_learner: makes the learner. It is called in the strategy's scope.
      evals: the evals, which compute metrics; each an `Eval`.
      pictures: the pictures to draw; each a `Picture`.
    """

    method: str
    make_learner: Callable
    scale: str
    evals: Sequence
    pictures: Sequence
    variant: str = ""

    def __post_init__(self):
        super().__post_init__()
        check_address(self.method)
        if self.variant:
            check_address(self.variant, "variant")
        _check_parts(self.evals, Eval)
        _check_parts(self.pictures, Picture)
        if self.scale not in ("paper", "cpu"):
            raise InputError(f"scale is {self.scale!r}: choose 'paper' or 'cpu'")
        if not isinstance(self.make_learner, type | types.FunctionType | functools.partial):
            name = type(self.make_learner).__name__
            raise InputError(f"make_learner is a {name}: bind what makes the learner, without ()")

    def build(self, strategy: tf.distribute.Strategy) -> Learner:
        """Returns the learner with all its variables, initialised from the seed.

        Raises:
          InputError: if the batch size does not fit the data or the replicas, or as `check`.
        """
        self.trained_on.check_batches(self.examples_per_update, strategy.num_replicas_in_sync)
        keras.utils.set_random_seed(self.seed)
        with bounded_scope(strategy):
            learner = self.make_learner()
        check_part(learner, Learner)
        self.check(learner)
        return learner


def _check_parts(parts: Sequence, kind: type):
    if not isinstance(parts, Sequence):
        name = type(parts).__name__
        raise InputError(f"{name} alone is no list of parts: write [@{name}()]")
    for part in parts:
        check_part(part, kind)
