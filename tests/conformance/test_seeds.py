"""Tests that no seed of the noise is used twice. Each rule is tested with a planted violation."""

import zlib

import pytest

import seeds
from sources import HOUSE


@pytest.mark.parametrize("rule", seeds.RULES, ids=lambda rule: rule.__name__)
def test_the_sources_follow_the_rule(rule):
    assert not rule(HOUSE)


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        (seeds.unnamed, "a = noise.fold(seed, 0)"),
        (seeds.unnamed, "a = noise.fold(seed, -1)"),
        (seeds.unnamed, "a = [noise.fold(seed, 1 + i) for i in x]"),
        (seeds.unreadable, "a = noise.stream(seed, word)"),
        (seeds.twice, "a = noise.stream(seed, 'x'), noise.stream(seed, 'x')"),
        (seeds.mixed, "a = draw(seed), noise.fold(seed, k)"),
        (seeds.mixed, "g = lambda k: noise.fold(seed, k)\n    return g(1), draw(seed)"),
    ],
)
def test_a_planted_violation_is_found(rule, body):
    found = rule(HOUSE | {"kernels/new.py": f"def f(seed):\n    {body}"})
    assert found and all(line.startswith("kernels/new.py:") for line in found)


def test_different_words_give_different_seeds():
    words = {call.args[1].value for _, _, call in seeds._calls(HOUSE, "stream")}
    assert len(words) > 20
    assert len({zlib.crc32(word.encode()) % 2**31 for word in words}) == len(words)
