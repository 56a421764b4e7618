"""Kept memory causes few page faults, returned memory many; each run has a separate process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tf_shortrun.core import allocator, usage

ROOT = Path(__file__).parents[2]
# Allocates and frees 16 MiB and 48 MiB; 48 MiB is above the largest threshold of glibc (32 MiB).
WORK = """
from tf_shortrun.core.allocator import keep_memory
from tf_shortrun.core.usage import Usage
said = keep_memory()
import ctypes
c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
c.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
c.free.argtypes = [ctypes.c_void_p]
def step():
    for size in (16 * 2**20, 48 * 2**20):
        block = c.malloc(size)
        c.memset(block, 1, size)
        c.free(block)
step()
before = Usage.now()
for _ in range(10):
    step()
print(said)
print(Usage.now().per_step(before, 10)["page_faults_per_step"])
"""
TRAINING = """
import tf_shortrun.cli.startup
import json, pathlib, sys
from tf_shortrun.cli import config
from tf_shortrun.training import train
from tf_shortrun.training import workers
small = ["experiment.Experiment.num_steps = 30", "experiment.Experiment.log_every = 3"]
small += ["top_down.TopDownGenerator.latent_widths = (8,)", "short_run.ShortRun.num_steps = 5"]
experiment = config.load(["reproduce/digits.gin"], small)
strategy = workers.strategy()
learner = experiment.build(strategy)
history = train.train(experiment, strategy, learner, pathlib.Path(sys.argv[1]))
print(json.dumps(history.speed))
"""


def environment(switch: str | None) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if name != allocator.SWITCH}
    return others if switch is None else others | {allocator.SWITCH: switch}


def run(switch: str | None) -> tuple[str, float]:
    command = [sys.executable, "-c", WORK]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(switch), capture_output=True, text=True, check=True
    )
    said, faults = done.stdout.splitlines()
    return said, float(faults)


def train(workdir: Path, switch: str | None) -> dict[str, float]:
    """Returns the speed metrics of a short run of digits.

    They are medians of ten lines, because a kept heap still grows in the first lines.
    """
    command = [sys.executable, "-c", TRAINING, str(workdir)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(switch), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


needs_glibc = pytest.mark.skipif(
    allocator.keep_memory().startswith("given back"), reason="another C library, or switched off"
)


@needs_glibc
def test_steps_that_reuse_freed_memory_have_few_page_faults():
    (said, kept), (switched_off, given_back) = run(None), run("0")
    assert said.startswith("kept by glibc") and allocator.SWITCH in switched_off
    assert kept < 0.02 * given_back


@needs_glibc
def test_training_has_few_page_faults(tmp_path):
    kept, given_back = (train(tmp_path / str(switch), switch) for switch in (None, "0"))
    assert kept["page_faults_per_step"] < 0.02 * given_back["page_faults_per_step"]
    assert kept["system_time_share"] < given_back["system_time_share"]


def test_another_c_library_is_not_changed(monkeypatch):
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(allocator.ctypes, "CDLL", None)  # a call would fail
    assert "not glibc" in allocator.keep_memory()


def test_usage_is_divided_by_the_number_of_steps():
    before, after = usage.Usage(100, 1.0, 2.0), usage.Usage(300, 2.0, 5.0)
    assert after.per_step(before, 10) == {"page_faults_per_step": 20.0, "system_time_share": 0.25}
