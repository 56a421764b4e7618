"""A few kills in every run of the tests; `make soak` makes a hundred."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tools import lives
from tools.outcome import differences, outcome
from tools.phases import Note
from tools.small_pins import SMALL_PINS

ROOT = Path(__file__).parents[2]
KEPT = json.loads((ROOT / "tools/benchmarks/soak.json").read_text())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_five_kills_lose_nothing():
    command = [sys.executable, "-m", "tools.soak", "--kills=5", "--methods", "wgan_gp", "--jobs=1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    head, _, row, _ = ([*map(str.strip, line.split("|"))] for line in done.stdout.splitlines())
    counts = dict(zip(head, row, strict=True))
    assert counts["kills"] == "5" and {counts[name] for name in lives.FAULTS} == {"0"}


def test_the_hundred_kills_that_are_kept_were_of_every_method_and_lost_nothing():
    methods = dict(KEPT["methods"])
    every = methods.pop("all")
    assert methods.keys() == SMALL_PINS.keys() and every["kills"] == 100
    assert all(every[phase] for phase in lives.PHASES)
    assert not any(counts[fault] for counts in methods.values() for fault in lives.FAULTS)


def left(folder, *, weight=1.0, loss=0.5, metric=0.25, pixel=b"\0"):
    """Writes what a run leaves; returns its outcome."""
    checkpoint = tf.train.Checkpoint(a=tf.Variable([weight, 2.0]))
    for name in ("checkpoints/ckpt-00000004", "saved_model/1/variables/variables"):
        checkpoint.write(str(folder / name))
    row = {"step": 2, "seconds": np.random.random(), "loss": loss}
    (folder / "history.jsonl").write_text(json.dumps(row) + "\n")
    metrics = {"mse": metric, "seconds_per_step": np.random.random()}
    result = {"command": str(folder), "seconds": np.random.random(), "metrics": metrics}
    (folder / "results.json").write_text(json.dumps(result))
    (folder / "samples.png").write_bytes(pixel)
    return outcome(folder)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({}, []),
        ({"weight": np.nextafter(np.float32(1), np.float32(2))}, ["a/.ATTR", "exported"]),
        ({"loss": np.nextafter(0.5, 1)}, ["history/2"]),
        ({"metric": np.nextafter(0.25, 1)}, ["metrics/mse"]),
        ({"pixel": b"\1"}, ["samples.png"]),
    ],
)
def test_outcomes_differ_by_every_bit_and_not_by_times(tmp_path, change, names):
    found = differences(left(tmp_path / "a"), left(tmp_path / "b", **change))
    assert [name[: len(known)] for name, known in zip(found, names, strict=True)] == names


def test_a_draft_that_is_left_is_a_difference(tmp_path):
    clean = left(tmp_path)
    (tmp_path / ".draft-killed").mkdir()
    assert differences(clean, outcome(tmp_path)) == [".draft-killed"]


class Said:
    def __init__(self, *notes):
        self.notes = [Note(word, step, 0.0) for word, step in notes]


@pytest.mark.parametrize(
    ("second", "lost"),
    [
        (Said(("restored", 8), ("saved", 12)), 0),
        (Said(("restored", 4), ("saved", 8)), 1),
        (Said(("saved", 4)), 1),  # it began again
        (Said(), 0),  # killed before
    ],
)
def test_updates_that_are_made_again_are_counted(tmp_path, monkeypatch, second, lost):
    monkeypatch.setenv("TF_SHORTRUN_CACHE", "")  # a life sets it
    life = lives.Life([], tmp_path)
    life._look_at(Said(("saved", 4), ("saved", 8)))
    life._look_at(second)
    assert life.counts["lost"] == lost


def test_kills_are_shared():
    assert lives.shares(["a", "b", "c"], 8) == {"a": 3, "b": 3, "c": 2}
