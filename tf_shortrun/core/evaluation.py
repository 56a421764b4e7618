"""The contracts of evals, which measure a learner, and of pictures, which show what it has learned.

Each eval describes its own numbers, and each picture has its own captions: there is no other list
of them. An eval or a picture of a new method is one class in the folder of that method.
"""

import fnmatch
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, Protocol, TypeVar

import numpy as np

from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Seed

Kind = TypeVar("Kind")


class Metric(NamedTuple):
    """The better direction of a number ("" if there is none), and its meaning with its unit."""

    better: Literal["lower", "higher", ""]
    meaning: str


class Number(NamedTuple):
    """A measured value, its better direction, and a sentence that says how it was measured."""

    value: float
    better: str
    made: str


class Eval(Protocol):
    """An eval, which measures numbers of a learner.

    Attributes:
      metrics: the meaning of each number, by name. `*` in a name stands for what the number depends
        on, e.g. a feature extractor or the length of a chain. A name has one meaning in all evals.
    """

    metrics: Mapping[str, Metric]

    def __call__(self, learner: Learner, dataset, seed: Seed) -> dict[str, float]:
        """Returns the numbers, by names that match `metrics`."""

    def protocol(self, dataset) -> dict[str, str]:
        """Returns a sentence on how each number was measured, by name.

        A number without a sentence is described by its meaning in `metrics`.
        """


class Picture(Protocol):
    """A picture, which shows what a learner has learned.

    Attributes:
      captions: how to read each image, by name.
    """

    captions: Mapping[str, str]

    def __call__(self, learner: Learner, dataset, seed: Seed) -> dict[str, np.ndarray]:
        """Returns images, uint8 [H, W, 3] each, by names that `captions` has."""


class HasNeeds(Protocol):
    """An eval or a picture that knows before training whether it will work."""

    def check(self, learner: Learner, dataset) -> None:
        """Raises InputError if learner, data or files lack what it needs; trains nothing."""


def needs(*capabilities: type) -> Callable:
    """Returns a method `check` of a class that needs these capabilities of learners only."""

    def check(self, learner: Learner, dataset):
        del dataset
        for capability in capabilities:
            require(learner, capability, type(self).__name__)

    return check


def explain(judge: Eval, values: Mapping[str, float], dataset) -> dict[str, Number]:
    """Returns the numbers that `judge` measured, with the descriptions of `judge`.

    Raises:
      InputError: if a number has no entry in the metrics of `judge`.
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
    """Returns the entry of `name`, else that of the first pattern that matches, else None."""
    fits = (words[key] for key in words if fnmatch.fnmatchcase(name, key))
    return words[name] if name in words else next(fits, None)
