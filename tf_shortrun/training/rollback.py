"""Rollback: a run that breaks goes on from its last good state.

It breaks where a number is not finite, or the generator has lost its gradient.

That is its last checkpoint, or its beginning. What follows must differ from what has failed, so the
k-th rollback changes the seed of all noise and the learning rate of every optimizer:

    root <- fold(stream(root, "rollback"), k),     rate <- rate / 2^k

Learning rates, because every method has them and changes its weights in no other way. The steps of
chains are numbers, schedules, variables or nothing, by the method; weights that move less also keep
the chains that are stable now. Batches come in the same order.
"""

import json
import logging
from pathlib import Path
from typing import NamedTuple

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import DivergenceError, InputError
from tf_shortrun.core.files import parse_json, replace_text
from tf_shortrun.core.learning_rates import LearningRates
from tf_shortrun.core.shapes import Seed
from tf_shortrun.training import variables
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.course import Course
from tf_shortrun.training.history import History

_LOG = logging.getLogger(__name__)


class Rollback(NamedTuple):
    """A way back to the state after `step` updates.

    failed: the update in which it broke.   what: how.
    """

    step: int
    failed: int
    what: str


def read(folder: Path, step: int) -> list[Rollback]:
    """Returns the rollbacks that led to the state after `step` updates, from a checkpoint folder.

    Raises:
      InputError: if the file is not what this module writes.
    """
    path = folder / "rollbacks.json"
    try:
        made = [Rollback(**row) for row in parse_json(path.read_text("utf-8"))]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}): use --fresh to start over, or another --workdir"
        ) from error
    return [rollback for rollback in made if rollback.step <= step]


class Rollbacks:
    """The rollbacks of a run, at most `course.max_rollbacks`, kept in its folder of checkpoints.

    Make it before a checkpoint is loaded, and call `begin` when the learner has its first state.
    Several machines agree, since they see the same metrics and have the same weights.
    """

    def __init__(self, course: Course, learner: Learner, checkpoints: Checkpoints):
        self._seed, self._most = course.seed, course.max_rollbacks
        self._state, self._checkpoints = learner.state, checkpoints
        self._rates = LearningRates(variables.optimizers(learner.state))
        self._made: list[Rollback] = []
        self._first: variables.Values = []

    def begin(self, step: int):
        """Takes the present state, after `step` updates, as the good one until the next is saved.

        A state after 0 updates is kept in memory, since a run that fails in its first step must
        leave no files.
        """
        if step:
            self._made = read(self._checkpoints.folder, step)
        elif self._most:
            self._first = variables.values(self._state)
        self._slow_down()

    @property
    def seed(self) -> Seed:
        """The root of all noise from now on."""
        root, num = noise.make_seed(self._seed), len(self._made)
        return noise.fold(noise.stream(root, "rollback"), num) if num else root

    def write(self):
        """Writes what was done, in place of what an earlier run may have left."""
        path = self._checkpoints.folder / "rollbacks.json"
        path.unlink(missing_ok=True)
        if self._made:
            rows = [rollback._asdict() for rollback in self._made]
            replace_text(path, json.dumps(rows, indent=1) + "\n")

    def go_back(self, error: DivergenceError, history: History):
        """Restores the last good state, with other noise and smaller rates from now on.

        Raises:
          DivergenceError: if there were as many rollbacks as there may be; it tells what was seen.
        """
        if len(self._made) >= self._most:
            raise self._explained(error, history) from error
        step = self._checkpoints.restore()
        if not step:
            variables.assign(self._first)
        history.go_back(step)
        self._made.append(Rollback(step, error.step, error.what))
        self.write()
        self._slow_down()
        which = f"rollback {len(self._made)} of at most {self._most}"
        _LOG.warning("%s: back to step %d with smaller rates (%s)", error.fact, step, which)

    def _slow_down(self):
        if self._made:  # without a rollback nothing is touched
            self._rates.set(0.5 ** len(self._made))

    def _explained(self, error: DivergenceError, history: History) -> DivergenceError:
        weights = variables.first_not_finite(self._state)
        what = error.what
        if weights and weights not in what:
            what += f"; {weights} not finite"
        tried = f"rollbacks: {len(self._made)}" if self._made else ""
        seen = "; ".join(filter(None, [history.last_seen, tried]))
        return DivergenceError(what, error.step, history.seconds, seen)
