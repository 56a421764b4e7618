"""Tests that two machines (here two processes) give the same training run as one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SMALL = (
    "experiment.Experiment.batch_size = 100",
    "experiment.Experiment.checkpoint_every = 2",
    "experiment.Experiment.log_every = 1",
    "experiment.Experiment.evals = ()",
    "experiment.Experiment.pictures = ()",
    "denoising.Denoising.num_steps = 3",
    "networks.dense.units = (16,)",
)


def start(workdir, num_steps, config=None, *more):
    """Starts a small run of a pin whose learner draws noise at every update, without evals."""
    pin = (ROOT / "reproduce" / "gsn_spiral.gin").read_text()
    file = workdir.parent / "small.gin"
    file.write_text(pin.replace("include 'gin/evals/plane.gin'", ""))
    bindings = [*SMALL, f"experiment.Experiment.num_steps = {num_steps}", *more]
    command = [sys.executable, "-m", "tf_shortrun.main", f"--gin_file={file}"]
    command += [f"--gin_bindings={binding}" for binding in bindings]
    environment = os.environ | ({"TF_CONFIG": json.dumps(config)} if config else {})
    return subprocess.Popen(
        [*command, f"--workdir={workdir}"],
        cwd=ROOT,
        env=environment | {"CUDA_VISIBLE_DEVICES": "-1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-2000:]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_together(workdir, num_steps, *more):
    cluster = {"worker": [f"127.0.0.1:{free_port()}" for _ in range(2)]}
    configs = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in (0, 1)]
    return [start(workdir, num_steps, config, *more) for config in configs]


def train_together(workdir, num_steps):
    for process in start_together(workdir, num_steps):
        end(process)


def losses(workdir):
    return [json.loads(line)["loss"] for line in (workdir / "history.jsonl").open()]


def test_two_machines_train_and_resume_like_one(tmp_path):
    alone = start(tmp_path / "one", 4)
    train_together(tmp_path / "two", 2)
    train_together(tmp_path / "two", 4)
    end(alone)
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert len(one) == len(two) == 4
    np.testing.assert_allclose(one, two, rtol=1e-4)
    assert (tmp_path / "two" / "results.json").exists()
    assert (tmp_path / "two" / "saved_model" / "1" / "saved_model.pb").exists()


def test_two_machines_go_back_and_stop_together(tmp_path):
    """Rates are so large, also halved, that the second update is not finite."""
    rate = "keras.optimizers.schedules.CosineDecay.initial_learning_rate = 1e38"
    more = [rate, "experiment.Experiment.max_rollbacks = 1"]
    for process in start_together(tmp_path / "run", 3, *more):
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 2, errors[-2000:]
        assert errors.count("back to step 0 with smaller rates (rollback 1 of at most 1)") == 1
        assert "rollbacks: 1)" in errors.splitlines()[-1]
    result = json.loads((tmp_path / "run/results.json").read_text())
    assert result["status"] == "diverged" and len(result["rollbacks"]) == 1
