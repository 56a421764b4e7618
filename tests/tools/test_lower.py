"""Tests that the training step as an XLA program gives the same numbers without TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tf_shortrun.core.errors import InputError
from tools.lower import refuse_constants

ROOT = Path(__file__).parents[2]
SMALL = [
    "experiment.Experiment.batch_size = 10",
    "top_down.TopDownGenerator.latent_widths = (4, 4)",
    "short_run.ShortRun.num_steps = 2",
]


def run(module, *arguments):
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lowered")
    bindings = [f"--gin_bindings={binding}" for binding in SMALL]
    done = run("tools.lower", "--gin_file=reproduce/digits.gin", *bindings, f"--out={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def execute(folder, num_steps, tmp_path):
    done = run("tools.run_lowered", folder, f"--steps={num_steps}", f"--json={tmp_path / 'x.json'}")
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "x.json").read_text())


def test_the_program_equals_tensorflow_and_learns(folder, tmp_path):
    numbers = execute(folder, 40, tmp_path)
    assert numbers["largest_difference"] < 1e-5 and numbers["seconds_per_training_step"] > 0
    names = json.loads((folder / "step.json").read_text())["metrics"]
    first = np.load(folder / "expected.npz")[f"{names.index('loss'):04d}"]
    assert numbers["metrics_after"]["loss"] < 0.9 * first


def test_a_difference_is_detected(folder, tmp_path):
    arguments = dict(np.load(folder / "arguments.npz"))
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for name in ("step.hlo", "expected.npz", "step.json"):
        (wrong / name).symlink_to(folder / name)
    np.savez(wrong / "arguments.npz", **{**arguments, "image": 0.99 * arguments["image"]})
    assert execute(wrong, 1, tmp_path)["largest_difference"] > 1e-4


def test_a_weight_that_became_a_constant_is_refused():
    """The program text is that of the gradient of a slice of a kernel."""
    argument = "  %reverse.1 = f32[5,5,8,4]{3,2,1,0} reverse(f32[5,5,8,4]{3,2,1,0} %arg5.1)\n"
    refuse_constants(argument + "  %mul.3 = f32[] constant(0.5)\n")
    with pytest.raises(InputError, match="became a constant"):
        refuse_constants(argument + "  %ReadVariableOp.2 = f32[5,5,8,4]{3,2,1,0} constant({...})\n")


def test_mistakes_are_reported_in_one_line(tmp_path):
    done = run("tools.lower", "--gin_file=reproduce/nowhere.gin", f"--out={tmp_path / 'x'}")
    assert done.returncode == 2 and "nowhere.gin" in done.stderr.strip().splitlines()[-1]
    assert not (tmp_path / "x").exists()
