"""What a study file describes: methods side by side, each with several seeds, and what is claimed.

    study.Study.title = 'Reconstruction on MNIST'
    study.Study.seeds = (1, 2, 3)
    study.Study.arms = {
        'vae_mnist': ('gin/study/mnist.gin', 'gin/latent/vae.gin'),
        'vae_mnist_longer': (..., 'experiment.Experiment.num_steps = 1200', ...),
    }
    study.Study.claims = ('mse: vae_mnist_longer < vae_mnist',)

A claim `metric: a < b < c` says that every arm is better than the next one: lower or higher, as
`results.METRICS` has it. It is SHOWN where at least three seeds of each ran and the ranges of
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
from tf_shortrun.reporting.results import METRICS, Result, pattern_of

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
          InputError: if one cannot be read, or its metric has no better side.
        """
        return [_read(claim) for claim in self.claims]


def verdict(claim: Claim, runs: Mapping[str, Sequence[Result]]) -> str:
    """SHOWN, NOT SHOWN or NOT RUN, by the rule above; `runs` are the results of each arm."""
    sign = 1 if METRICS[pattern_of(claim.metric)].better == "lower" else -1
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


def _read(claim: str) -> Claim:
    found = CLAIM.fullmatch(claim)
    if not found:
        raise InputError(f"cannot read the claim {claim!r}: write 'metric: arm < arm'")
    if not METRICS[pattern_of(found["metric"])].better:
        raise InputError(f"{claim!r}: neither side of {found['metric']} is better")
    return Claim(found["metric"], found["arms"].split(" < "))
