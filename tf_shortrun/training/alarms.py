"""Warnings about a chain that does not do its work, while there is time to stop the run."""

import logging
import math
from collections.abc import Mapping

_LOG = logging.getLogger(__name__)

_REMEDY = (
    "steps are too long for this model: bind ShortRun.longest_move = 0.1, or a smaller "
    "ShortRun.step_size"
)
_RANGES = {  # of metrics of an inference by a chain, as means over a line of the history
    "latent_norm": (0.0, 10.0),  # 1 under the prior
    # A chain climbs from a draw from the prior. One that starts near the mode of the posterior may
    # lose about half a nat for each latent.
    "log_joint_gain": (-1000.0, math.inf),
}


class Alarms:
    """One warning for each metric that leaves its range."""

    def __init__(self):
        self._rung: set[str] = set()

    def check(self, means: Mapping[str, float], step: int):
        """Warns if a mean that ends at `step` is out of range for the first time."""
        for name, (low, high) in _RANGES.items():
            value = means.get(name, low)
            if name not in self._rung and not low <= value <= high:
                self._rung.add(name)
                _LOG.warning("%s is %.3g before step %d: %s", name, value, step, _REMEDY)
