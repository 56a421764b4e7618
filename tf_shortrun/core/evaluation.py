"""The contract of what judges a learner: evals give numbers, pictures show.

An eval says of each of its numbers what it is, a picture how it is read: nobody else keeps a
list of them. An eval or a picture of a new method is one class in the folder of that method.
"""

import fnmatch
from collections.abc import Mapping
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed

Kind = TypeVar("Kind")


class Metric(NamedTuple):
    """Which way is better ("" where neither is), and what the number is, with its unit."""

    better: Literal["lower", "higher", ""]
    meaning: str


class Number(NamedTuple):
    """What an eval found, which way is better, and a sentence on what it is and how it was made."""

    value: float
    better: str
    made: str


class Eval(Protocol):
    """Numbers about a learner.

    Attributes:
      metrics: by name what each number is. `*` in a name stands for what it depends on, a feature
        extractor or the length of a chain. One name means one thing in every eval.
    """

    metrics: Mapping[str, Metric]

    def __call__(self, learner: Learner, dataset, seed: Seed) -> dict[str, float]:
        """The numbers, by names that `metrics` has."""

    def protocol(self, dataset) -> dict[str, str]:
        """How numbers were made, a sentence each; without one the meaning stands for it."""


class Picture(Protocol):
    """Pictures of what a learner knows.

    Attributes:
      captions: by name how to read it.
    """

    captions: Mapping[str, str]

    def __call__(self, learner: Learner, dataset, seed: Seed) -> dict[str, np.ndarray]:
        """uint8 [H, W, 3] each, by names that `captions` has."""


def explain(judge: Eval, values: Mapping[str, float], dataset) -> dict[str, Number]:
    """What `judge` found, in its own words.

    Raises:
      InputError: if it has no words for a number.
    """
    protocol = judge.protocol(dataset)
    numbers: dict[str, Number] = {}
    for name, value in values.items():
        metric = _of(judge.metrics, name)
        if metric is None:
            raise InputError(
                f"{type(judge).__name__} found {name!r}: add it to its metrics, which are "
                f"{', '.join(judge.metrics)}"
            )
        made = _of(protocol, name) or metric.meaning
        numbers[name] = Number(float(value), metric.better, made)
    return numbers


def _of(words: Mapping[str, Kind], name: str) -> Kind | None:
    """What is said of `name`: by itself, or by the first pattern that fits."""
    fits = (words[key] for key in words if fnmatch.fnmatchcase(name, key))
    return words[name] if name in words else next(fits, None)
