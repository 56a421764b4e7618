"""Tests that two machines (here two processes) train like one, also when one of them is lost."""

import json
import signal
import subprocess
import sys

import numpy as np
import tensorflow as tf

from machines import Cluster, chance, one, steps, two
from tools import small_pins

NUM = 100
STEPS = f"experiment.Experiment.num_steps = {NUM}"
LOST = "another machine is gone"


def weights(workdir):
    reader = tf.train.load_checkpoint(str(workdir / f"checkpoints/ckpt-{NUM:08d}"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def losses(workdir):
    return [json.loads(line)["loss"] for line in (workdir / "history.jsonl").open()]


def interrupt(workdir):
    """A signal on one machine ends both after the same step, and the first one saves it."""
    machine, step = chance(5, 25)
    with two(workdir, STEPS) as cluster:
        cluster.wait_for_step(step)
        cluster.send(signal.SIGTERM, machine)
        (code, lines), (other_code, other_lines) = cluster.end(0), cluster.end(1)
    assert (code, other_code) == (143, 143), (lines, other_lines)
    assert lines[-1] == other_lines[-1] and "interrupted, saved at step" in lines[-1]
    saved = int(lines[-1].split("saved at step ")[1].split(":")[0])
    assert (workdir / f"checkpoints/ckpt-{saved:08d}.index").exists()


def lose(workdir, number, low, high):
    """The other machine ends with one line and its own code."""
    machine, step = chance(low, high)
    with two(workdir, STEPS) as cluster:
        cluster.wait_for_step(step)
        cluster.send(number, machine)
        code, lines = cluster.end(1 - machine)
    assert code == 75 and LOST in lines[-1], lines
    assert len(lines) <= 3, lines  # the other two: it waited for the machines, took over a lock


def finish(workdir):
    """The first machine finishes although the other one is lost when all steps are made."""
    with two(workdir, STEPS) as cluster:
        cluster.wait_for_step(NUM)
        cluster.send(signal.SIGKILL, 1)
        code, lines = cluster.end(0)
    assert code == 0, lines


def test_to_import_the_command_makes_no_tensor():
    """After the first tensor TensorFlow lets no machines join."""
    script = """if True:
        import tf_shortrun.main
        import tensorflow as tf
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(
            cpu, [tf.config.LogicalDeviceConfiguration()] * 2
        )
    """
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_two_machines_train_like_one_and_lose_nothing(tmp_path):
    alone, whole, broken = (tmp_path / name for name in ("alone", "whole", "broken"))
    with one(alone, STEPS) as single, two(whole, STEPS) as cluster:
        ends = [single.end(0), cluster.end(0), cluster.end(1)]
    assert [code for code, _ in ends] == [0, 0, 0], ends
    np.testing.assert_allclose(losses(alone), losses(whole), rtol=1e-3)
    interrupt(broken)
    lose(broken, signal.SIGKILL, 30, 55)
    lose(broken, signal.SIGSTOP, 60, 85)  # it no longer answers, as after a loss of power
    finish(broken)
    assert steps(broken) == list(range(1, NUM + 1))
    assert losses(broken) == losses(whole)
    one_run, other = weights(broken), weights(whole)
    assert one_run.keys() == other.keys()
    for name, value in one_run.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)
    for name in ("results.json", "report.html", "samples.png", "saved_model/1/saved_model.pb"):
        assert (broken / name).exists() and (whole / name).exists(), name
    assert not (broken / "lock").exists()


def test_machines_with_different_settings_do_not_train(tmp_path):
    seeds = [[STEPS, f"experiment.Experiment.seed = {seed}"] for seed in (1, 2)]
    with Cluster(tmp_path / "run", *seeds) as cluster:
        (code, lines), (other_code, other_lines) = cluster.end(0), cluster.end(1)
    assert code == 75 and LOST in lines[-1], lines
    assert other_code == 2 and "other settings, data or checkpoints" in other_lines[-1]
    assert not (tmp_path / "run").exists()


def test_machines_share_the_chains_of_all_images(tmp_path):
    """Alternating back-propagation: each machine needs the latents that the others inferred."""
    bindings = [
        *small_pins.SMALL["abp"],
        *("experiment.Experiment.evals = ()", "experiment.Experiment.pictures = ()"),
        *("experiment.Experiment.num_steps = 2", "experiment.Experiment.batch_size = 40"),
    ]
    with Cluster(tmp_path / "run", bindings, bindings, pin=small_pins.SMALL_PINS["abp"]) as cluster:
        ends = [cluster.end(0), cluster.end(1)]
    assert [code for code, _ in ends] == [0, 0], ends


def test_machines_go_back_and_stop_together(tmp_path):
    """Rates are so large, also halved, that the second update is not finite."""
    rate = "keras.optimizers.schedules.CosineDecay.initial_learning_rate = 1e38"
    more = [rate, "experiment.Experiment.max_rollbacks = 1"]
    with two(tmp_path / "run", "experiment.Experiment.num_steps = 3", *more) as cluster:
        for machine in (0, 1):
            code, lines = cluster.end(machine)
            assert code == 2, lines
            words = "back to step 0 with smaller rates (rollback 1 of at most 1)"
            assert sum(words in line for line in lines) == 1 and "rollbacks: 1)" in lines[-1]
    result = json.loads((tmp_path / "run/results.json").read_text())
    assert result["status"] == "diverged" and len(result["rollbacks"]) == 1
