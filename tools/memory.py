"""Runs the benchmark with and without kept memory, in turn, each time in a new process."""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tf_shortrun.core.allocator import SWITCH
from tf_shortrun.core.errors import InputError

ARMS = {"kept": "1", "given_back": "0"}
COMPARED = (
    "seconds_per_langevin_step",
    "seconds_per_update",
    "page_faults_per_step",
    "system_time_share",
    "peak_rss_bytes",
)


def compare(arguments: Sequence[str], rounds: int) -> dict:
    """Runs `tools.benchmark` with these arguments `rounds` times with and without kept memory.

    Returns:
      For each arm the measurements of its last run, but medians over all runs for the names in
      `COMPARED`; and `given_back_over_kept`, the medians of the ratios in each round.

    Raises:
      InputError: if a run fails. The error message of the run is on stderr.
    """
    runs = {arm: [] for arm in ARMS}
    for _ in range(rounds):
        for arm, switch in ARMS.items():
            runs[arm].append(_run(arguments, switch))
    medians = {arm: {n: _median(some, n) for n in COMPARED} for arm, some in runs.items()}
    ratios = {name: _ratio(runs, name) for name in COMPARED}
    numbers = {arm: some[-1] | medians[arm] for arm, some in runs.items()}
    return numbers | {"given_back_over_kept": ratios, "rounds": rounds}


def _run(arguments: Sequence[str], switch: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "numbers.json"
        command = [sys.executable, "-m", "tools.benchmark", *arguments, f"--json={file}"]
        environment = os.environ | {SWITCH: switch}
        done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise InputError("a run of the comparison failed: correct the error printed above")
        return json.loads(file.read_text())


def _ratio(runs: dict[str, list[dict]], name: str) -> float:
    """Returns the median ratio; a pair counts as infinite if the kept run has 0 (page faults)."""
    pairs = zip(runs["kept"], runs["given_back"], strict=True)
    return float(np.median([b[name] / a[name] if a[name] else math.inf for a, b in pairs]))


def _median(runs: Sequence[dict], name: str) -> float:
    return float(np.median([numbers[name] for numbers in runs]))
