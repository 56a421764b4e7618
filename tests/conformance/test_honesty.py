"""Tests that no class claims what it cannot do. Each rule is tested with a planted violation."""

import pytest

import honesty
from sources import HOUSE


@pytest.mark.parametrize("rule", honesty.RULES, ids=lambda rule: rule.__name__)
def test_the_sources_follow_the_rule(rule):
    assert not rule(HOUSE)


def test_classes_and_capabilities_are_found():
    known = honesty.classes(HOUSE)
    assert len(known) > 80 and len(honesty.capabilities(HOUSE)) > 18
    assert known["LatentEnergy"].bases == ["LatentLearner"]
    assert {"infer_by_chain"} == honesty.capabilities(HOUSE)["RunsChain"]


LEARNER = "from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood\n"
NEW = f"{LEARNER}class New(LatentLikelihood):\n    "


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        (honesty.overrides, NEW + "def decode(self, latents): ..."),
        (honesty.overrides, NEW + "log_prior = None"),
        (honesty.overrides, NEW + "@property\n    def state(self): ..."),
        (
            honesty.overrides,
            "class Mine(walkback.SignOperator):\n    def distribution(self, logits): ...",
        ),
        (honesty.redeclared, "class New(RunsChain, Protocol):\n    def infer(self, batch): ..."),
        (honesty.redeclared, "class New(RunsChain, Protocol):\n    'Nothing of its own.'"),
        (honesty.empty_claims, "class New:\n    log_weights = None"),
        (honesty.empty_claims, "class New:\n    log_weights: object = None"),
        (honesty.empty_claims, "class New:\n    def score(self, batch):\n        raise ValueError"),
        (
            honesty.empty_claims,
            "class New:\n    def walk(self, x):\n        'No.'\n        del x\n        raise E()",
        ),
        (honesty.refusals, "def f(x):\n    if not isinstance(x, RunsChain):\n        raise E"),
        (honesty.refusals, "def f(x):\n    return isinstance(x, contracts.Walks | int)"),
        (honesty.refusals, "def f(x):\n    if x.a and not can(x, Walks):\n        raise E"),
        (honesty.refusals, "if can(x, Walks):\n    pass\nelse:\n    raise E"),
        (
            honesty.late,
            "class New:\n    metrics = {}\n    def __call__(self, x):\n        require(x, Walks)",
        ),
    ],
)
def test_a_planted_violation_is_found(rule, source):
    assert any("new.py" in line for line in rule(HOUSE | {"methods/latent/new.py": source}))


@pytest.mark.parametrize(
    "source",
    [
        "class New(LatentLearner):\n    def train_step(self, batch, seed): ...",
        NEW + "def __init__(self): ...",
        NEW + "def entirely_new(self): ...",
        "def f(x):\n    if isinstance(x, float) and can(x, Walks):\n        return 1",
        "def f(x):\n    if can(x, Adapts):\n        raise E('and nobody asks it to')",
        "class New:\n    def score(self, x):\n        if x:\n            raise E\n        f()",
    ],
)
def test_allowed_code_is_not_reported(source):
    changed = HOUSE | {"methods/latent/new.py": source}
    assert not [line for rule in honesty.RULES for line in rule(changed)]
