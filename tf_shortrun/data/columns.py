"""How a row of a table becomes an observation, and back."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tf_shortrun.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class Columns:
    """Scales the columns of a table to [0, 1] by their ranges among the training rows.

        x' = clip(scale x + offset, 0, 1),   scale = 1 / (max - min),   offset = -min scale

    A column that is constant in training has scale 1.

    Attributes:
      names: those of the columns [D].
      scale, offset: numbers [D].
    """

    names: tuple[str, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]

    def __post_init__(self):
        if not len(self.names) == len(self.scale) == len(self.offset) or 0 in self.scale:
            raise InputError("columns need a name, a scale other than 0, and an offset each")

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Returns the observations [N, D], float32 on [0, 1], of rows as they are in the table.

        Raises:
          InputError: if the rows are not finite numbers [N, D].
        """
        rows = np.asarray(rows)
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise InputError(
                f"rows have the shape {rows.shape}: give [N, {len(self.names)}], without labels"
            )
        if rows.dtype.kind not in "biuf" or not np.all(np.isfinite(rows)):
            raise InputError("rows have values that are no finite numbers: mend or drop them")
        return np.clip(rows * np.asarray(self.scale) + self.offset, 0, 1).astype(np.float32)

    def back(self, observations: np.ndarray) -> np.ndarray:
        """Returns rows [N, D] in the units of the table."""
        return (np.asarray(observations, np.float64) - self.offset) / self.scale

    def scaled(self, rows: tf.Tensor) -> tf.Tensor:
        """Returns what calling it does, in a graph, of finite float32 [N, D]."""
        scale, offset = (tf.constant(x, tf.float32) for x in (self.scale, self.offset))
        return tf.clip_by_value(rows * scale + offset, 0.0, 1.0)

    def unscaled(self, observations: tf.Tensor) -> tf.Tensor:
        """Returns what `back` does, in a graph, float32."""
        scale, offset = (tf.constant(x, tf.float32) for x in (self.scale, self.offset))
        return (observations - offset) / scale

    @property
    def words(self) -> str:
        """The scaling in words."""
        return (
            f"rows: {len(self.names)} columns, scaled to [0, 1] by their ranges among the training "
            "rows: `data.json` has names, scales and offsets"
        )

    def describe(self) -> dict:
        """Returns what `read` needs, as values of JSON."""
        return dataclasses.asdict(self)


def read(described: dict) -> Columns:
    """Returns the columns that were described."""
    return Columns(**{name: tuple(values) for name, values in described.items()})


def numbered(num: int) -> Sequence[str]:
    """Returns names for columns that have none."""
    return [f"column{i}" for i in range(num)]
