"""What a study file describes: methods side by side, each with several seeds, and what is claimed.

    study.Study.title = 'Reconstruction on MNIST'
    study.Study.seeds = (1, 2, 3)
    study.Study.arms = {
        'vae_mnist': ('gin/study/mnist.gin', 'gin/latent/vae.gin'),
        'vae_mnist_longer': (..., 'experiment.Experiment.num_steps = 1200', ...),
    }
    study.Study.claims = ('mse: vae_mnist_longer < vae_mnist',)

A claim `metric: a < b < c` says that every arm is better than the next one: lower or higher, as
their results have it. It is SHOWN where at least three seeds of each ran and the ranges of
neighbours do not touch; otherwise it is NOT SHOWN, and whoever wants to believe it runs more. A run
that diverged is one that touches everything.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting.results import Result

MIN_SEEDS = 3
CLAIM = re.compile(r"(?P<metric>\S+): (?P<arms>\w+(?: < \w+)+)")


class Claim(NamedTuple):
    """`arms` by `metric`, the best first."""

    metric: str
    arms: list[str]


@dataclasses.dataclass(frozen=True)
class Study:
    """See above.

    Attributes:
      title: a line for the page.
      arms: by the name of its results, <method>_<dataset>[_<variant>]: gin files, and bindings
        (whatever has a "="), in the order in which they override each other.
      seeds: of every arm.
      claims: orderings, the best arm first.
      shown: metrics that the table has beside those of the claims.
      quoted: by arm, figures of others with their source: shown, not judged.
    """

    title: str
    arms: Mapping[str, Sequence[str]]
    seeds: Sequence[int]
    claims: Sequence[str] = ()
    shown: Sequence[str] = ()
    quoted: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        known = ", ".join(self.arms)
        for name in itertools.chain(self.quoted, *(claim.arms for claim in self.orderings)):
            if name not in self.arms:
                raise InputError(f"{name!r} is no arm of this study: known are {known}")

    @property
    def orderings(self) -> list[Claim]:
        """The claims, read.

        Raises:
          InputError: if one cannot be read.
        """
        return [_read(claim) for claim in self.claims]


def verdict(claim: Claim, runs: Mapping[str, Sequence[Result]]) -> str:
    """SHOWN, NOT SHOWN or NOT RUN, by the rule above; `runs` are the results of each arm.

    Raises:
      InputError: if neither side of the metric is better.
    """
    every = [run for arm in claim.arms for run in runs.get(arm, ())]
    sign = -1 if better(every, claim.metric) == "higher" else 1
    columns = [
        [sign * run.metrics.get(claim.metric, math.nan) for run in runs.get(arm, ())]
        for arm in claim.arms
    ]
    if not all(columns):
        return "NOT RUN"
    enough = min(map(len, columns)) >= MIN_SEEDS
    neighbours = itertools.pairwise(columns)
    apart = all(x < y for a, b in neighbours for x, y in itertools.product(a, b))  # NaN never is
    return "SHOWN" if enough and apart else "NOT SHOWN"


def better(runs: Sequence[Result], metric: str) -> str | None:
    """Which way is better by those runs that have the metric; None if none has.

    Raises:
      InputError: if they do not agree, or neither is better.
    """
    ways = {run.better[metric] for run in runs if metric in run.better}
    if len(ways) > 1 or "" in ways:
        raise InputError(f"neither side of {metric} is better: claim and bound other metrics")
    return ways.pop() if ways else None


def _read(claim: str) -> Claim:
    found = CLAIM.fullmatch(claim)
    if not found:
        raise InputError(f"cannot read the claim {claim!r}: write 'metric: arm < arm'")
    return Claim(found["metric"], found["arms"].split(" < "))
