"""What may have been meant: the nearest words, how many others, and never a long list."""

import pytest

from tf_shortrun.core.words import near

MANY = [f"arm{i:03}" for i in range(300)]


@pytest.mark.parametrize(
    ("name", "known", "phrase"),
    [
        ("stepsize", ["step_size", "sigma", "width"], "did you mean step_size? (2 others)"),
        ("seed", ["seeds"], "did you mean seeds?"),
        ("zzz", ["sigma", "seed"], "there are sigma, seed"),
        ("zzz", [], "there are none"),
        ("zzz", MANY, "check the spelling (300 are known)"),
        ("x" * 95, ["x" * 94, "x" * 96], "did you mean " + "x" * 96 + "? (1 other)"),
        ("x" * 300, ["x" * 301], "check the spelling (1 are known)"),
    ],
)
def test_phrases(name, known, phrase):
    assert near(name, known) == phrase


def test_a_phrase_is_short_however_many_are_known():
    phrase = near("arm00", MANY)
    assert phrase.startswith("did you mean arm") and phrase.endswith("? (297 others)")
    assert len(phrase) <= 200
