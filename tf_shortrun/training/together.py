"""What machines that train together tell each other, and what happens when one of them is gone.

TensorFlow notices it: a connection breaks at once, and a machine that no longer answers is given up
after the heartbeats of its coordination service. Every collective operation then raises an error.
"""

import contextlib
import logging
import zlib
from collections.abc import Iterator

import tensorflow as tf

from tf_shortrun.core.errors import InputError, LostMachineError

_LOG = logging.getLogger(__name__)
_CONNECTION = (
    *(tf.errors.UnavailableError, tf.errors.DeadlineExceededError),
    *(tf.errors.AbortedError, tf.errors.CancelledError),
)


class Machines:
    """The machines of a strategy. All of them have to make the same calls in the same order."""

    def __init__(self, strategy: tf.distribute.Strategy):
        self._are_several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)

        @tf.function(autograph=False)
        def gather(number):
            return strategy.gather(strategy.run(lambda: number[None]), axis=0)

        self._gather = gather

    def largest(self, number: int) -> int:
        """Returns the largest of the numbers of all machines."""
        return max(self._all(number))

    def agree(self, plan: str):
        """Checks that every machine has the same plan.

        Raises:
          InputError: if not. Machines with the plan of the first one go on, and find it gone.
        """
        own = zlib.crc32(plan.encode())
        if self._all(own)[0] != own:
            raise InputError(
                "this machine has other settings, data or checkpoints than the first one: start "
                "the same command on all, with a --workdir that all can read"
            )

    def wait(self):
        """Waits until all machines call it: a machine that exits early would stop the others."""
        self._all(0)

    def _all(self, number: int) -> list[int]:
        if not self._are_several:
            return [number]
        return self._gather(tf.constant(number, tf.int64)).numpy().tolist()


@contextlib.contextmanager
def noticing(are_several: bool) -> Iterator[None]:
    """Turns the errors of TensorFlow after the loss of a machine into one line.

    Raises:
      LostMachineError: in place of them, if there are several machines.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if not are_several or not _is_loss(error):
            raise
        _LOG.debug("%s", error)
        raise LostMachineError(f"another machine is gone ({type(error).__name__})") from error


def _is_loss(error: tf.errors.OpError) -> bool:
    return isinstance(error, _CONNECTION) or "Collective ops is aborted" in str(error)
