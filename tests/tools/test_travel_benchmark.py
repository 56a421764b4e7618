"""Tests that the benchmark of programs runs without TensorFlow and measures what it says."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tools import travel_benchmark
from tools.peer_process import beside
from tools.timing import Times

SMALL = [
    "FEATURES = 16",
    "top_down.TopDownGenerator.latent_widths = (8,)",
    "experiment.Experiment.batch_size = 20",
    "short_run.ShortRun.num_steps = 20",
]
BLOCKED = """
import runpy, sys
for name in ("tensorflow", "keras", "scipy", "gin"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_module("tools.benchmark_lowered", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("travel") / "folder"
    travel_benchmark.make(folder, ["reproduce/digits.gin"], SMALL)
    return folder


def run(folder, *words):
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, "benchmark_lowered", ".", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_programs_are_measured_and_a_peer_that_fails_costs_none_of_it(folder, tmp_path):
    done = run(folder, f"--json={tmp_path / 'out' / 'x.json'}", "--repeats=3", "--peer=torch")
    assert done.returncode == 0, done.stderr
    has_torch = importlib.util.find_spec("torch") is not None
    assert has_torch or "is PyTorch installed?" in done.stderr
    numbers = json.loads((tmp_path / "out" / "x.json").read_text())
    assert numbers["num_steps"] == [5, 10, 20]
    for kind in ("float32", "bfloat16"):
        found = numbers[kind]
        step, whole = found["seconds_per_langevin_step"], found["seconds_per_training_step"]
        assert 10 * step < whole["median"] < 60 * step
        rate = found["measured_flops"]["matrix"]
        share = numbers["flops_per_step"] / step / rate
        assert found["share_of_peak"]["matrix"] == pytest.approx(share) and 0 < share < 1
        assert ("torch" in found) == has_torch


def test_the_peer_is_put_beside_our_seconds():
    times = [Times(median, median, median) for median in (10.0, 3.0, 20.0, 4.0)]
    found = beside(["eager", "compiled"], times, 5, 0.5, 1.0)
    assert (
        found["eager"]["times_our_langevin_step"] == 4 and found["eager"]["times_our_update"] == 3
    )
    assert found["compiled"]["seconds_per_langevin_step"] == 4
