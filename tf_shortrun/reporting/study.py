"""Defines a study: a comparison of several methods over several seeds, with claims about them.

A study is a Python file that composes pins, e.g. `reproduce/studies/mnist.py`:

    STUDY = Study(
        title="Reconstruction on MNIST",
        arms=dict(arm("short_run", "mnist", layers) for layers in (3, 1)),
        seeds=(1, 2, 3, 4, 5),
        claims=["mse: short_run_mnist_layers3 < short_run_mnist_layers1"],
    )

An arm is a list of gin files and gin bindings, as on the command line. Bindings are text, because
they refer to names of gin. `claims.py` judges the claims.
"""

import dataclasses
import itertools
import runpy
from collections.abc import Mapping, Sequence
from pathlib import Path

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.words import near
from tf_shortrun.reporting.claims import Claim, read_claim

NETWORKS = {1: "gin/study/one_layer.gin", 3: "gin/study/three_layers.gin"}


@dataclasses.dataclass(frozen=True)
class Study:
    """A comparison of several methods over several seeds.

    Attributes:
      title: the heading of its table.
      arms: name of its results, <method>_<dataset>[_<variant>] -> gin files, and bindings, which
        contain "=". Later entries override earlier ones.
      seeds: the seeds of every arm.
      claims: orderings `metric: arm < arm`, the best arm first.
      shown: metrics in the table besides those of the claims.
      quoted: arm -> results published by others, with their source; not judged.

    Raises:
      InputError: if a claim cannot be read, or a claim or quotation names an unknown arm.
    """

    title: str
    arms: Mapping[str, Sequence[str]]
    seeds: Sequence[int]
    claims: Sequence[str] = ()
    shown: Sequence[str] = ()
    quoted: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        for name in itertools.chain(self.quoted, *(claim.arms for claim in self.orderings)):
            if name not in self.arms:
                raise InputError(f"{name!r} is no arm of this study: {near(name, list(self.arms))}")

    @property
    def orderings(self) -> list[Claim]:
        """Returns the claims, parsed."""
        return [read_claim(claim) for claim in self.claims]


def arm(
    method: str,
    dataset: str,
    layers: int,
    *changes: str,
    variant: str = "",
    data: Sequence[str] = (),
) -> tuple[str, tuple[str, ...]]:
    """Returns the name and the settings of one arm: data, method, network, then changes.

    Args:
      method: the name of a file in gin/latent.
      dataset: the name of a file in gin/study.
      layers: of the generator; its file sets the variant to layers<layers>.
      *changes: further files and bindings of this arm.
      variant: replaces layers<layers>.
      data: settings that replace the file of `dataset`.
    """
    first = data or (f"gin/study/{dataset}.gin",)
    last = (named(variant),) if variant else ()
    settings = (*first, f"gin/latent/{method}.gin", NETWORKS[layers], *changes, *last)
    return f"{method}_{dataset}_{variant or f'layers{layers}'}", settings


def named(variant: str) -> str:
    """Returns the binding that sets the variant of an experiment."""
    return f"experiment.Experiment.variant = '{variant}'"


def read(path: Path) -> Study:
    """Returns the `STUDY` that a Python file defines.

    Raises:
      InputError: if there is no such file, it fails, or it defines no `STUDY`.
    """
    if not path.is_file():
        known = [file.name for file in sorted(path.parent.glob("*.py"))]
        raise InputError(f"there is no study {path}: {near(path.name, known)}")
    try:
        study = runpy.run_path(str(path)).get("STUDY")
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(f"the study {path} cannot be run, correct it: {reason}") from error
    if not isinstance(study, Study):
        raise InputError(f"{path} defines no study: write STUDY = Study(...)")
    return study
