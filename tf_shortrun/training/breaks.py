"""What breaks a run: a number that is not finite, or a generator that cannot learn any more."""

from collections.abc import Mapping, Sequence

import numpy as np

from tf_shortrun.core.shapes import Metrics
from tf_shortrun.core.stuck import STUCK

_NAMED = 3  # metrics in a message


def first_break(window: Sequence[Metrics], saving: bool) -> tuple[int, str] | None:
    """Returns the place and the name of what broke in the metrics of successive updates, or None.

    A generator may leave the limits of its outputs again: it is given the whole of `window` for
    that, but the state that it is in at the end of `window` is not saved as a good one.

    Args:
      saving: whether the state after the last of these updates is to be saved.
    """
    for place, metrics in enumerate(window):
        if what := _not_finite(metrics):
            return place, f"{what} not finite"
    stuck = [float(metrics.get(STUCK, 0.0)) == 1.0 for metrics in window]
    if all(stuck) or (saving and stuck[-1]):
        return len(stuck) - 1, "all outputs at limits without a gradient"
    return None


def _not_finite(metrics: Mapping) -> str:
    """Returns the names of the metrics that are not finite, "" if all are."""
    bad = [name for name, value in metrics.items() if not np.isfinite(value)]
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return ", ".join(bad[:_NAMED]) + more
