"""Judges the claims of a study, which are orderings of its arms, by permutation tests over seeds.

A claim `metric: a < b < c` states that every arm is better than the next one. Results record
whether lower or higher values of a metric are better. Two neighbours a < b are compared by the
exact one-sided permutation test of Fisher (1935) and Pitman (1937). If the two arms do not differ,
all choices of n_a of the n_a + n_b runs as "a" are equally likely. Let d be the mean loss of a
minus the mean loss of b; the loss is the metric, negated if higher is better. Then

    p = #{relabellings with d <= observed d} / C(n_a + n_b, n_a).

The observed labels are among the relabellings, so p >= 1 / C(n_a + n_b, n_a): 1/20 for three seeds
a side, 1/252 for five. If the arms do not differ, P(p <= t) <= t for every t. A chain of k arms is
k - 1 comparisons and holds only if all of them do; its p is the largest of theirs (Berger 1982).

The claims of a study are corrected for their number by Holm (1979). Let p_(1) <= ... <= p_(m) be
the p of the m claims that were run. Then

    corrected_(i) = min(1, max over j <= i of (m - j + 1) p_(j)).

The probability that any claim of a study is SHOWN by chance is at most .05, even if claims depend
on each other. A claim is SHOWN if its corrected p is at most .05, NOT RUN if one of its arms has no
run, and NOT SHOWN otherwise.

A run that diverged, or whose metric is not finite, counts as the worst possible run of its arm:
its loss is infinite, whichever side it is on. Means do not exist then, so all values of that
comparison are replaced by their ranks, with average ranks for ties (Wilcoxon 1945).

References:
  R. A. Fisher, The Design of Experiments, 1935.
  E. J. G. Pitman, Significance tests which may be applied to samples from any populations, 1937.
  F. Wilcoxon, Individual comparisons by ranking methods, 1945.
  S. Holm, A simple sequentially rejective multiple test procedure, 1979.
  R. L. Berger, Multiparameter hypothesis testing and acceptance sampling, 1982.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting.results import Result

LEVEL = 0.05
RULE = (
    "p: exact one-sided permutation test over seeds, corrected by Holm within the study; three "
    "seeds a side cannot go below .05. A claim is SHOWN if its corrected p is at most .05: a "
    "headline claim needs five seeds."
)
FORM = re.compile(r"(?P<metric>\S+): (?P<arms>\w+(?: < \w+)+)")
TIE = 1e-12  # relative difference of equal sums that were added in different orders


class Claim(NamedTuple):
    """An ordering of `arms` by `metric`, the best arm first."""

    metric: str
    arms: list[str]


class Verdict(NamedTuple):
    """SHOWN, NOT SHOWN or NOT RUN, with p before and after correction: NaN if NOT RUN."""

    word: str
    p: float = math.nan
    corrected: float = math.nan


def read_claim(text: str) -> Claim:
    """Returns the claim in a line of text.

    Raises:
      InputError: if the line is not `metric: arm < arm`.
    """
    found = FORM.fullmatch(text)
    if not found:
        raise InputError(f"cannot read the claim {text!r}: write 'metric: arm < arm'")
    return Claim(found["metric"], found["arms"].split(" < "))


def judge(claims: Sequence[Claim], runs: Mapping[str, Sequence[Result]]) -> list[Verdict]:
    """Returns the verdict on each claim of a study; `runs` maps an arm to its results.

    Raises:
      InputError: if neither lower nor higher is better for a metric.
    """
    ps = [_p_of_chain(_losses(claim, runs)) for claim in claims]
    corrected = iter(holm([p for p in ps if p is not None]))
    return [Verdict("NOT RUN") if p is None else _verdict(p, next(corrected)) for p in ps]


def p_value(better: Sequence[float], worse: Sequence[float]) -> float:
    """Returns the p of the claim that losses `better` are lower than losses `worse`.

    All relabellings are enumerated: intended for at most about ten seeds a side.
    """
    values = np.array([*better, *worse], np.float64)
    if not np.isfinite(values).all():
        values = stats.rankdata(np.where(np.isfinite(values), values, np.inf))
    # The values are fixed, so d increases with the sum over side a. The observed one comes first.
    labels = itertools.combinations(range(len(values)), len(better))
    sums = values[np.array(list(labels))].sum(axis=1)
    return float(np.mean(sums <= sums[0] + TIE * np.abs(values).sum()))


def holm(ps: Sequence[float]) -> list[float]:
    """Returns the corrected p of several tests, in the same order."""
    order = np.argsort(ps)
    factors = np.arange(len(ps), 0, -1)
    corrected = np.empty(len(ps))
    corrected[order] = np.minimum(np.maximum.accumulate(factors * np.asarray(ps)[order]), 1)
    return corrected.tolist()


def better(runs: Sequence[Result], metric: str) -> str | None:
    """Returns whether lower or higher is better for a metric; None if no run has the metric.

    Raises:
      InputError: if the runs do not agree, or neither is better.
    """
    ways = {run.better[metric] for run in runs if metric in run.better}
    if len(ways) > 1 or "" in ways:
        raise InputError(f"neither side of {metric} is better: claim and bound other metrics")
    return ways.pop() if ways else None


def _losses(claim: Claim, runs: Mapping[str, Sequence[Result]]) -> list[list[float]]:
    """Returns the losses of each arm, one list per arm."""
    columns = [runs.get(arm, ()) for arm in claim.arms]
    sign = -1 if better([*itertools.chain(*columns)], claim.metric) == "higher" else 1
    return [[sign * run.metrics.get(claim.metric, math.nan) for run in runs] for runs in columns]


def _p_of_chain(columns: list[list[float]]) -> float | None:
    if not all(columns):
        return None
    return max(p_value(a, b) for a, b in itertools.pairwise(columns))


def _verdict(p: float, corrected: float) -> Verdict:
    return Verdict("SHOWN" if corrected <= LEVEL else "NOT SHOWN", p, corrected)
