"""Tests of the installed package: only the wheel, in a folder outside the checkout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("tf_shortrun", "gin", "reproduce", "pyproject.toml", "setup.py", "README.md", "LICENSE")
FEW = """
from __gin__ import dynamic_registration
from tf_shortrun.evals import plane
from tf_shortrun.methods.walkback import denoising
from tf_shortrun.training import experiment
experiment.Experiment.num_steps = 2
denoising.Denoising.num_steps = 2
plane.PlaneSamples.num_samples = 100
plane.PlaneSamples.extra_steps = ()
"""
MINE = """
from tf_shortrun.training import experiment
experiment.Experiment.variant = 'mine'
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Installs the package from a copy, since a build leaves files in its source folder."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    left_out = shutil.ignore_patterns("__pycache__", "results")
    for name in SOURCES:
        copy = shutil.copy if (ROOT / name).is_file() else shutil.copytree
        copy(ROOT / name, source / name, **({} if copy is shutil.copy else {"ignore": left_out}))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run(*pip, "--no-build-isolation", f"--target={folder}", str(source), check=True)
    return folder


def run(*line, **settings):
    return subprocess.run(line, capture_output=True, text=True, **settings)


def command(installed, here, *arguments):
    """Runs `tf-shortrun` in the folder `here`, where the checkout is not on the path."""
    environment = os.environ | {"PYTHONPATH": str(installed), "TF_SHORTRUN_CACHE": str(here)}
    line = [sys.executable, str(installed / "bin/tf-shortrun"), *arguments]
    return run(*line, cwd=here, env=environment)


def test_every_gin_file_and_study_is_installed_and_the_results_are_not(installed):
    pins = [path for name in ("gin", "reproduce") for path in (ROOT / name).rglob("*.gin")]
    studies = list(ROOT.glob("reproduce/studies/*.py"))
    weights = [path for path in ROOT.glob("reproduce/pretrained/*/*") if path.suffix != ".gin"]
    there = {path.relative_to(ROOT) for path in [*pins, *studies, *weights]}
    package = installed / "tf_shortrun"
    installed_pins = [*package.rglob("*.gin"), *package.glob("reproduce/**/*.py")]
    installed_pins += package.glob("reproduce/pretrained/*/*")
    assert {path.relative_to(package) for path in installed_pins} == there
    assert len(there) > 100 and Path("reproduce/studies/mnist.py") in there
    assert not (installed / "gin").exists() and not list(package.rglob("*.png"))


def test_the_package_has_its_version_and_its_place(installed):
    line = [sys.executable, "-c", "import tf_shortrun as t; print(t.__version__, t.__file__)"]
    done = run(*line, cwd=installed.parent, env=os.environ | {"PYTHONPATH": str(installed)})
    assert done.stdout.split() == ["0.1.0", str(installed / "tf_shortrun/__init__.py")]


def test_a_pin_of_the_package_runs_and_files_of_the_user_override_it(installed, tmp_path):
    """The command names one file of the user. The pin of the package includes the other file."""
    included = "gin/evals/plane.gin"
    files = ["--gin_file=reproduce/gsn_spiral.gin", "--gin_file=gin/scale/cpu.gin"]
    mine = {"gin/scale/cpu.gin": FEW, included: (ROOT / included).read_text() + MINE}
    for name, text in mine.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    done = command(installed, tmp_path, *files)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "runs/gsn_spiral-cpu/results.json").read_text())
    assert (result["dataset"], result["steps"], result["variant"]) == ("spiral", 2, "mine")
    assert result["commit"] is None and result["versions"]["tf_shortrun"] == "0.1.0"


def test_help_lists_verbs_with_examples_and_flags(installed, tmp_path):
    done = command(installed, tmp_path, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for verb in ("train", "evaluate", "export", "report", "doctor"):
        (at,) = [i for i, line in enumerate(lines) if line.startswith(f"{verb} ")]
        assert f"tf-shortrun {'' if verb == 'train' else verb}".strip() in lines[at + 1]
    named = [line.split()[0] for line in lines if line.startswith("--")]
    assert named == [
        "--images",
        "--image_size",
        "--gin_file",
        "--gin_bindings",
        "--workdir",
        "--fresh",
        "--accept_changes",
        "--export",
        "--data_only_settings",
        "--dry_run",
    ]


def test_a_misspelt_pin_of_the_package_gets_a_proposal(installed, tmp_path):
    done = command(installed, tmp_path, "--gin_file=reproduce/digit.gin")
    assert done.returncode == 2 and "did you mean reproduce/digits.gin" in done.stderr
    assert done.stderr.count("\n") == 1 and not list(tmp_path.iterdir())
