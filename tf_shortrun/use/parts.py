"""Methods of a learner, compiled, on any number of examples: in parts of bounded size."""

from collections.abc import Callable, Sequence

import tensorflow as tf
from tqdm import tqdm

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import Learner

AT_ONCE = 100  # examples in one call


class Parts:
    """Calls methods of a learner, each compiled once."""

    def __init__(self, learner: Learner):
        self._learner = learner
        self._compiled: dict[str, Callable] = {}

    def call(self, name: str, *arguments):
        """Returns `learner.<name>(*arguments)`."""
        if name not in self._compiled:
            method = getattr(self._learner, name)
            self._compiled[name] = tf.function(method, autograph=False, reduce_retracing=True)
        return self._compiled[name](*arguments)

    def each(self, name: str, parts: Sequence, seed: int) -> list:
        """Returns `learner.<name>(part, seed of its own)` of every part, with a progress bar."""
        root = noise.make_seed(seed)
        bar = tqdm(parts, name, leave=False, disable=None if len(parts) > 1 else True)
        return [self.call(name, part, noise.fold(root, i)) for i, part in enumerate(bar)]


def cut(x) -> list:
    """Returns consecutive parts of an array or tensor [N, ...]."""
    return [x[i : i + AT_ONCE] for i in range(0, len(x), AT_ONCE)]
