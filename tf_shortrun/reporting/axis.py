"""From numbers to places on a page, and the round numbers that stand beside an axis."""

import math
from typing import NamedTuple

import numpy as np


class Axis(NamedTuple):
    """`low` lies at `start`, `high` at `end`."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool

    def place(self, value):
        """Where `value` lies between start and end; linear in it or in its logarithm."""
        warp = np.log if self.is_log else np.asarray
        share = (warp(value) - warp(self.low)) / (warp(self.high) - warp(self.low))
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers inside the axis."""
        is_wide = self.is_log and self.high > 10 * self.low
        return self._log_ticks() if is_wide else self._linear_ticks()

    def _linear_ticks(self) -> list[float]:
        rough = (self.high - self.low) / 6
        power = 10.0 ** math.floor(math.log10(rough))
        size = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * 0.999)
        first, last = math.ceil(self.low / size), math.floor(self.high / size)
        return [k * size for k in range(first, last + 1)]

    def _log_ticks(self) -> list[float]:
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        if last - first >= 2:
            return [10.0**d for d in range(first, last + 1, math.ceil((last - first) / 6))]
        ticks = [m * 10.0**d for d in range(first - 1, last + 1) for m in (1, 3)]
        return [tick for tick in ticks if self.low <= tick <= self.high]


def tick_label(value: float) -> str:
    """20000 -> 20k."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.4g}M"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.4g}k"
    return f"{value:.6g}"
