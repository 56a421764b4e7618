"""The test of claims: every p here is counted by hand, or enumerated in another way."""

import dataclasses
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from result_fields import FIELDS, with_metrics
from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting.claims import Claim, Verdict, holm, judge, p_value, read_claim
from tf_shortrun.reporting.results import Result

NAN, INF = math.nan, math.inf
APART = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]


def runs(*values, metric="mse"):
    fields = [FIELDS | {"seed": seed} | with_metrics({metric: v}) for seed, v in enumerate(values)]
    return [Result(**f) for f in fields]


def verdict(better, worse, metric="mse"):
    sides = {"a": runs(*better, metric=metric), "b": runs(*worse, metric=metric)}
    (found,) = judge([Claim(metric, ["a", "b"])], sides)
    return found


@pytest.mark.parametrize(
    ("better", "worse", "count", "of"),
    [
        (*APART, 1, 20),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 1, 252),
        ([1, 2, 3], [4, 5, 6, 7, 8], 1, 56),  # sides of different sizes
        ([4, 5, 6, 7, 8], [1, 2, 3], 56, 56),
        # Sums of three of 1 to 6 that are at most 1 + 2 + 4: 1 2 3, 1 2 4.
        ([1, 2, 4], [3, 5, 6], 2, 20),
        # At most 1 + 3 + 5 = 9: 1 2 3, 1 2 4, 1 2 5, 1 2 6, 1 3 4, 1 3 5, 2 3 4.
        ([1, 3, 5], [2, 4, 6], 7, 20),
        # Means count, not ranks: 0 + 4, 0 + 7 and 0 + 9 are at most 9, but 4 + 7 is not.
        ([0, 9], [4, 7], 3, 6),
        # Ties: of 1 1 2 2 the sums of two are 2 (once), 3 (four times), 4 (once).
        ([1, 1], [2, 2], 1, 6),
        ([1, 2], [1, 2], 5, 6),
        ([2, 2], [1, 1], 6, 6),
        ([1, 1, 1], [1, 1, 1], 20, 20),
        # Equal sums differ in bits: .1 .2 .3 in eight ways, below it .1 .1 .2, .1 .1 .3 and
        # .1 .2 .2 in two ways each.
        ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1], 14, 20),
        ([1], [2], 1, 2),
    ],
)
def test_p_counts_relabellings_at_least_as_extreme(better, worse, count, of):
    assert p_value(better, worse) == pytest.approx(count / of, rel=1e-12)


def test_p_is_that_of_exact_arithmetic():
    values = np.random.default_rng(0).integers(0, 6, (20, 7))
    for a, b in ((row[:3].tolist(), row[3:].tolist()) for row in values):
        pooled, split = [*a, *b], set(itertools.combinations(range(7), 3))
        means = [
            Fraction(sum(pooled[i] for i in s), 3)
            - Fraction(sum(pooled[i] for i in range(7) if i not in s), 4)
            for s in split
        ]
        observed = Fraction(sum(a), 3) - Fraction(sum(b), 4)
        assert p_value(a, b) == pytest.approx(sum(m <= observed for m in means) / 35)


def test_the_other_side_is_no_evidence():
    assert p_value(*APART) == 1 / 20 and p_value(*reversed(APART)) == 1
    assert verdict([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]).word == "NOT SHOWN"


@pytest.mark.parametrize(
    "values", [range(8), [0, 0, 1, 1, 2, 2, 3, 9], [0, 1, 2, 3, 4, 5, NAN, INF]]
)
@pytest.mark.parametrize("size", [3, 4])
def test_under_the_null_a_small_p_is_as_rare_as_it_says(values, size):
    """Every relabelling of the same runs is equally likely if the arms do not differ."""
    values = np.array(values, float)
    splits = [list(s) for s in itertools.combinations(range(8), size)]
    ps = np.array([p_value(values[s], np.delete(values, s)) for s in splits])
    assert all(np.mean(ps <= p) <= p + 1e-12 for p in {0.05, *ps.tolist()})
    assert np.mean(ps <= 0.05) > 0  # and it does happen


@pytest.mark.parametrize(
    ("better", "worse", "count"),
    [
        # Ranks 1 2 6 against 3 4 5: 1 2 3 to 1 2 6 (4), 1 3 4, 1 3 5, 2 3 4 are at most 9.
        ([0.1, 0.2, NAN], [0.3, 0.4, 0.5], 7),
        ([0.1, 0.2, INF], [0.3, 0.4, 0.5], 7),
        ([0.1, 0.2, -INF], [0.3, 0.4, 0.5], 7),  # broken, so not the best
        ([0.1, 0.2, 0.3], [0.4, 0.5, NAN], 1),  # the worst is on the other side
        # Ranks 1 2 5.5 against 3 4 5.5: 1 2 with any of the other four, and 1 3 4.
        ([0.1, 0.2, NAN], [0.3, 0.4, NAN], 5),
        # All are equal: average ranks.
        ([NAN, NAN, NAN], [NAN, NAN, NAN], 20),
    ],
)
def test_a_number_that_is_not_finite_is_the_worst_of_its_side(better, worse, count):
    assert p_value(better, worse) == pytest.approx(count / 20)


def test_a_run_that_diverged_is_the_worst_whichever_way_is_better():
    lost = dataclasses.replace(runs(5)[0], status="diverged", **with_metrics({}))
    for metric, a, b in (("mse", (1, 2), (3, 4, 5)), ("modes", (9, 8), (7, 6, 5))):
        sides = {"a": [*runs(*a, metric=metric), lost], "b": runs(*b, metric=metric)}
        (found,) = judge([Claim(metric, ["a", "b"])], sides)
        assert found.p == pytest.approx(7 / 20)


def test_a_claim_knows_which_side_is_better():
    high, low = (6, 7, 8, 9, 10), (1, 2, 3, 4, 5)
    assert verdict(high, low, "modes") == ("SHOWN", 1 / 252, 1 / 252)
    assert verdict(low, high, "modes") == ("NOT SHOWN", 1, 1)
    assert verdict(low, high, "mse").word == "SHOWN"


def test_a_number_with_no_better_side_proves_nothing():
    sides = {"a": runs(1, 2, 3), "b": runs(7, 8, 9)}
    run = dataclasses.replace(sides["b"][0], better=sides["b"][0].better | {"mse": ""})
    with pytest.raises(InputError, match="neither side of mse is better"):
        judge([Claim("mse", ["a", "b"])], sides | {"b": [run]})


def test_of_a_chain_the_weakest_comparison_counts():
    sides = {"a": runs(1, 2, 3), "b": runs(4, 5, 7), "c": runs(6, 8, 9)}
    chains = [Claim("mse", arms) for arms in (["a", "b"], ["b", "c"], ["a", "b", "c"])]
    ps = [found.p for found in judge(chains, sides)]
    assert ps == pytest.approx([1 / 20, 2 / 20, 2 / 20])


@pytest.mark.parametrize(
    ("ps", "expected"),
    [
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.02], [0.02]),
        ([0.6, 0.5], [1, 1]),  # no probability is above 1
        ([0.004, 0.004, 0.9], [0.012, 0.012, 0.9]),
        ([], []),
    ],
)
def test_holm_by_hand(ps, expected):
    assert holm(ps) == pytest.approx(expected)


def test_three_seeds_apart_show_one_claim_and_not_two():
    """Each pair has ranges that do not touch: a rule that asks no more would show both claims."""
    sides = {"a": runs(1, 2, 3), "b": runs(4, 5, 6), "c": runs(7, 8, 9)}
    claims = [Claim("mse", ["a", "b"]), Claim("mse", ["b", "c"])]
    assert [v.word for v in judge(claims[:1], sides)] == ["SHOWN"]
    assert judge(claims, sides) == [("NOT SHOWN", 0.05, 0.1)] * 2
    more = {name: runs(*range(10 * i, 10 * i + 5)) for i, name in enumerate(sides)}
    assert judge(claims, more) == [("SHOWN", 1 / 252, 2 / 252)] * 2


def test_what_was_not_run_is_not_tested():
    sides = {"a": runs(1, 2, 3), "b": runs(4, 5, 6), "c": []}
    claims = [Claim("mse", list(arms)) for arms in ("ac", "ab", "abc", "ax")]
    none, first, *rest = judge(claims, sides)
    assert first == ("SHOWN", 0.05, 0.05)  # one claim was run, so one is corrected for
    assert {verdict.word for verdict in (none, *rest)} == {"NOT RUN"}
    assert math.isnan(none.p) and isinstance(none, Verdict)


def test_a_claim_is_read():
    assert read_claim("kid/a@1K: b < c_1 < d") == ("kid/a@1K", ["b", "c_1", "d"])
    with pytest.raises(InputError, match="write 'metric: arm < arm'"):
        read_claim("mse: b > c")
