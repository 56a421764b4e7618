"""Tests of the whole path: a folder travels, trains without TensorFlow, comes back, is judged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import tf_shortrun as sr
from tf_shortrun.cli import config
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.arrays import to_float
from tf_shortrun.evals.reconstruction import Reconstruction
from tf_shortrun.reporting import results
from tf_shortrun.training.steps import compile_step
from tools import arrive, program, small_pins, ten_minutes, train_lowered, travel
from tools.code_paths import split

NUM_UPDATES = 20
SMALL = [
    "reproduce/digits.gin",
    *small_pins.SMALL["short_run"],
    "experiment.Experiment.batch_size = 10",
    "keras.optimizers.Adam.epsilon = 1e-4",
]
RUNS = {
    "short_run_digits": SMALL,
    "short_run_digits_bfloat16": [*SMALL, "gin/precision/bfloat16.gin"],
    "vae_digits": [
        "reproduce/vae_digits.gin",
        *small_pins.SMALL["vae"],
        *small_pins.STEADY["vae"],
        "experiment.Experiment.batch_size = 10",
    ],
}
# A machine without TensorFlow: importing it, or this package, fails.
BLOCKED = """
import runpy, sys
for name in ("tensorflow", "keras", "tf_shortrun", "scipy", "gin"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_module("tools.train_lowered", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """Returns the folder that travels and the one that comes back."""
    folder = tmp_path_factory.mktemp("travel") / "folder"
    travel.travel(folder, RUNS)
    out = folder.parent / "out"
    for name in RUNS:
        words = [".", name, "--seconds=600", f"--updates={NUM_UPDATES}", f"--out={out}"]
        done = subprocess.run(
            [sys.executable, "-c", BLOCKED, "train_lowered", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    return folder, out


def trained_here(folder, name):
    """Returns the learner after the same updates by TensorFlow, and its metrics."""
    experiment, learner = travel.build(RUNS[name])
    _, start = program.initial_state(folder / "runs" / name)
    step = travel.lowered(experiment, learner, experiment.dataset.train.images)
    for variable, array in zip(step.state, start, strict=True):
        variable.assign(array)
    images = experiment.dataset.train.images
    order = train_lowered.order(len(images), experiment.batch_size, experiment.seed)
    root = noise.stream(noise.make_seed(experiment.seed), "train")
    update = compile_step(tf.distribute.get_strategy(), learner.train_step, root)
    losses = []
    for k in range(1, NUM_UPDATES + 1):
        batch = {"image": to_float(images[next(order)])}
        losses.append(float(update(batch, tf.constant(k))["loss"]))
    return experiment, learner, losses


def mse(experiment, learner):
    numbers = Reconstruction(100, (1,), 100)(learner, experiment.dataset, noise.make_seed(1))
    return float(numbers["mse"])


@pytest.mark.parametrize(("name", "bound"), [(n, 5e-3 if "bfloat" in n else 1e-4) for n in RUNS])
def test_what_comes_back_is_what_tensorflow_trains(there, name, bound):
    """The bound is of weights in half precision; float32 differs by 2e-5, bfloat16 by 2e-4."""
    folder, out = there
    experiment, ours, losses = trained_here(folder, name)
    came, _, theirs = arrive.load(out / f"{name}.json", [])
    assert came["updates"] == NUM_UPDATES
    assert came["rows"][-1]["loss"] == pytest.approx(np.mean(losses), rel=bound)
    error = mse(experiment, ours)
    assert mse(experiment, theirs) == pytest.approx(error, rel=bound)
    assert mse(*travel.build(RUNS[name])) > (1 + 10 * bound) * error  # the bound tells them apart


def test_what_arrives_is_a_run_with_the_scale_of_its_updates(there, tmp_path):
    file = there[1] / "vae_digits.json"
    judged = [f"--gin_bindings={binding}" for binding in small_pins.JUDGED["vae"]]
    assert arrive.main([str(file), str(tmp_path / "run"), *judged]) == 0
    result, came = results.read(tmp_path / "run" / "results.json"), json.loads(file.read_text())
    assert result.scale == "paper network, 20 updates" and result.steps == NUM_UPDATES
    assert result.hardware == came["hardware"] and result.seconds == came["seconds"]
    assert result.metrics["seconds_per_step"] > 0 and result.metrics["mse"] < 1
    assert (tmp_path / "run" / "report.html").exists()
    assert sr.load(tmp_path / "run").sample(2).shape == (2, 8, 8, 1)


def test_weights_come_in_pieces_of_any_size(there, tmp_path, monkeypatch):
    whole = np.load(there[1] / "vae_digits_0.npy")
    monkeypatch.setattr(train_lowered, "MOST_BYTES", whole.nbytes // 3)
    files = train_lowered.pieces(whole)
    assert len(files) > 2 and max(piece.nbytes for piece in files) <= whole.nbytes // 3
    for k, piece in enumerate(files):
        np.save(tmp_path / f"vae_digits_{k}.npy", piece)
    came = json.loads((there[1] / "vae_digits.json").read_text()) | {"num_files": len(files)}
    (tmp_path / "vae_digits.json").write_text(json.dumps(came))
    _, experiment, again = arrive.load(tmp_path / "vae_digits.json", [])
    _, _, once = arrive.load(there[1] / "vae_digits.json", [])
    assert mse(experiment, again) == mse(experiment, once)


def test_a_number_that_is_not_finite_ends_a_run(there, tmp_path, monkeypatch):
    monkeypatch.chdir(there[0])
    training = train_lowered.Training(Path(), "vae_digits", tmp_path)
    training.step()
    training.save()
    saved = sorted(path.name for path in tmp_path.iterdir())
    place, _ = training._about["weights"][0]
    training._program.state[place] *= np.nan
    training.step()
    with pytest.raises(FloatingPointError, match="vae_digits: not finite before update 2"):
        training.save()
    came, _, _ = arrive.load(tmp_path / "vae_digits.json", [])
    assert came["updates"] == 1 and saved == ["vae_digits.json", "vae_digits_0.npy"]


def test_mistakes_are_said_in_one_line(there, tmp_path, capsys):
    folder, out = there
    assert travel.main([str(tmp_path / "x"), "no_such_run"]) == 2
    assert "no run 'no_such_run': " in capsys.readouterr().err
    with pytest.raises(InputError, match="exists: choose a new folder"):
        travel.travel(folder, RUNS)
    with pytest.raises(InputError, match="more than one program"):
        travel.travel(tmp_path / "staged", {"rae": ["reproduce/rae_digits.gin"]})
    numbers = json.loads((out / "vae_digits.json").read_text())
    (tmp_path / "vae_digits.json").write_text(json.dumps(numbers))  # without its weights
    assert arrive.main([str(tmp_path / "vae_digits.json"), str(tmp_path / "run")]) == 2
    assert "weights cannot be read" in capsys.readouterr().err
    np.save(tmp_path / "vae_digits_0.npy", np.zeros(7, np.float16))
    assert arrive.main([str(tmp_path / "vae_digits.json"), str(tmp_path / "run")]) == 2
    assert "7 weights instead of" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_too_large_is_said_with_its_largest_files(tmp_path, monkeypatch):
    monkeypatch.setattr(travel, "MOST_BYTES", 1000)
    with pytest.raises(InputError, match="1,000 may travel.*largest files are"):
        travel.travel(tmp_path / "large", {"vae": RUNS["vae_digits"]})


def test_the_runs_of_ten_minutes_have_the_released_size():
    run = ten_minutes.RUNS["short_run_celeba32_layers5_bfloat16"]
    experiment = config.load(*split([*run, "gin/data/noise.gin"]))
    assert experiment.method == "short_run" and experiment.variant == "layers5_bfloat16"
    learner = experiment.build(tf.distribute.get_strategy())
    assert learner.model.count_params() - 1 == 12_162_435  # one is sigma
    assert learner.inference.num_steps == 25 and experiment.batch_size == 100


def test_every_run_of_ten_minutes_is_called_as_its_result():
    for name, settings in ten_minutes.RUNS.items():
        experiment = config.load(*split([*settings, "gin/data/noise.gin"]))
        data = Path(settings[0]).stem
        assert name == f"{experiment.method}_{data}_{experiment.variant}"
