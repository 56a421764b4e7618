"""Two machines, here two processes on one, that train a small pin together."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 300  # seconds: a machine that hangs is a failed test
PIN = "reproduce/gsn_spiral.gin"
SMALL = (
    "experiment.Experiment.batch_size = 100",
    "experiment.Experiment.checkpoint_every = 20",
    "experiment.Experiment.log_every = 1",
    "denoising.Denoising.num_steps = 3",
    "networks.dense.units = (16,)",
    "plane.PlaneSamples.num_samples = 50",
    "plane.PlaneSamples.extra_steps = (5,)",
    "scatter.SamplesInPlane.num = 50",
    "walk_strips.WalkStrips.num = 50",
)


class Cluster:
    """Machines that were started with the same command; the first one leads.

    Leaving a `with` block ends what still runs. Bindings may differ by machine.
    """

    def __init__(self, workdir: Path, *bindings: list[str], pin: str = PIN, several: bool = True):
        ports = [f"127.0.0.1:{_free_port()}" for _ in bindings]
        self.workdir = workdir
        self._logs = [workdir.parent / f"{workdir.name}-{i}.log" for i in range(len(bindings))]
        tasks = [
            {"cluster": {"worker": ports}, "task": {"type": "worker", "index": i}}
            for i in range(len(bindings))
        ]
        configs = [{"TF_CONFIG": json.dumps(task)} if several else {} for task in tasks]
        self._machines = [
            _start(pin, workdir, log, given, config)
            for log, given, config in zip(self._logs, bindings, configs, strict=True)
        ]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for machine in self._machines:
            machine.kill()
            machine.wait()

    def send(self, number: signal.Signals, index: int):
        self._machines[index].send_signal(number)

    def wait_for_step(self, step: int):
        """Waits until the history has so many steps."""
        until = time.monotonic() + LIMIT
        while len(steps(self.workdir)) < step:
            assert time.monotonic() < until, self._logs[0].read_text()[-2000:]
            assert self._machines[0].poll() is None, self._logs[0].read_text()[-2000:]
            time.sleep(0.01)

    def end(self, index: int) -> tuple[int, list[str]]:
        """Waits for the end of a machine; returns its code and what it said besides progress."""
        code = self._machines[index].wait(timeout=LIMIT)
        lines = self._logs[index].read_text().splitlines()
        progress = re.compile("$|.*(step/s|s/step)")
        return code, [line for line in lines if not progress.match(line)]


def one(workdir: Path, *bindings: str) -> Cluster:
    """Starts the same run on one machine, without TF_CONFIG."""
    return Cluster(workdir, list(bindings), several=False)


def two(workdir: Path, *bindings: str) -> Cluster:
    return Cluster(workdir, list(bindings), list(bindings))


def steps(workdir: Path) -> list[int]:
    """Returns the steps in the history; a line that is being written is left out."""
    path = workdir / "history.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line)["step"] for line in text.split("\n")[:-1]]


def chance(low: int, high: int) -> tuple[int, int]:
    """Returns a machine and a step; what fails is found again by the line that this prints."""
    machine, step = random.randrange(2), random.randint(low, high)
    print(f"machine {machine} at step {step}")
    return machine, step


def _start(pin, workdir, log, bindings, config):
    command = [sys.executable, "-m", "tf_shortrun.main", f"--gin_file={pin}"]
    small = SMALL if pin == PIN else ()
    command += [f"--gin_bindings={binding}" for binding in (*small, *bindings)]
    # That of these tests themselves, which shows more of TensorFlow's log than several machines.
    kept = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    with log.open("w") as file:
        return subprocess.Popen(
            [*command, f"--workdir={workdir}"],
            cwd=ROOT,
            env=kept | config | {"CUDA_VISIBLE_DEVICES": "-1"},
            stdout=subprocess.DEVNULL,
            stderr=file,
        )


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
