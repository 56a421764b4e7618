"""What --dry_run says of an experiment, against the experiment itself."""

import re

import pytest
import tensorflow as tf

from tf_shortrun.core.flops import flops
from tf_shortrun.reporting.preview import preview
from toy_training import experiment


@pytest.fixture(scope="module")
def lines(one_replica):
    course = experiment(1000)
    learner = course.build(one_replica)
    return preview(course, one_replica, learner).splitlines(), learner


def value(lines, name):
    (found,) = [line for line in lines if line.startswith(name)]
    return found[len(name) :].strip()


def test_layers_add_up_to_the_model(lines):
    """Dense 2 -> 8 -> 4 with biases: 24 + 36 weights."""
    text, _ = lines
    assert value(text, "model ") == "60 parameters"
    counts = {line.split()[0]: int(line.split()[1]) for line in text if line.startswith("  ")}
    assert list(counts.values()) == [24, 36]
    assert [re.findall(r"\[.*?\]", line) for line in text if line.startswith("  ")] == [
        ["[2, 8]", "[8]"],
        ["[8, 4]", "[4]"],
    ]


def test_arithmetic_is_that_of_a_batch(lines):
    text, learner = lines
    assert (
        value(text, "operations")
        == f"{8 * flops(learner.passes(tf.zeros([1, 4]))):.3g} in an update"
    )
    assert value(text, "chain steps") == "3"


def test_the_time_is_that_of_all_updates(lines):
    text, _ = lines
    seconds = float(value(text, "time of an update").split()[0])
    told = re.match(r"about (\d+) (s|min)", value(text, "time of all updates"))
    factor = {"s": 1, "min": 60}[told[2]]
    assert int(told[1]) * factor == pytest.approx(1000 * seconds, abs=0.6 * factor, rel=0.02)
