"""Weights that come with the package: they are what they were, and do what their results say."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tf_shortrun as sr
from tf_shortrun.core.errors import InputError
from tf_shortrun.data.digits import digits
from tf_shortrun.training import weights
from tf_shortrun.use import outputs, pretrained
from tools import pretrained as tool

ROOT = Path(__file__).parents[2]
FOLDERS = sorted((ROOT / "reproduce/pretrained").glob("*/"))
MOST = 2 * 2**20  # bytes


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_is_small_and_finished_and_samples(folder):
    assert {path.name for path in folder.iterdir()} == {
        *(*tool.FILES, "model_card.md", weights.FILE, pretrained.SUMS)
    }
    assert sum(path.stat().st_size for path in folder.iterdir()) < MOST
    result = json.loads((folder / "results.json").read_text())
    assert result["status"] == "finished" and "+" not in result["commit"]
    run = sr.load(pretrained.SCHEME + folder.name)
    samples = run.sample(4, seed=1)
    assert samples.shape == (4, *run.learner.image_shape) and np.isfinite(samples).all()
    assert samples.std() > 0.3  # neither blank nor gray


def test_digits_are_reconstructed_as_their_result_says():
    run = sr.load("tf_shortrun://digits")
    x = digits().test.images[:200] / 127.5 - 1
    error = np.mean((run.reconstruct(x, seed=5) - x) ** 2)
    result = json.loads((ROOT / "reproduce/pretrained/digits/results.json").read_text())
    # Other noise, and not all test images.
    assert error == pytest.approx(result["metrics"]["mse"], rel=0.1)


def test_an_unknown_address_names_those_that_there_are():
    with pytest.raises(InputError, match="tf_shortrun://faces does not come .*: did you mean"):
        sr.load("tf_shortrun://faces")


def test_a_file_that_is_not_what_it_was_is_refused(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "reproduce/pretrained", tmp_path / "pretrained")
    monkeypatch.setattr(pretrained, "_PLACES", (tmp_path / "pretrained",))
    with (tmp_path / "pretrained/digits/operative.gin").open("a") as file:
        file.write("import holiday\n")
    with pytest.raises(InputError, match=r"digits/operative\.gin is damaged"):
        sr.load("tf_shortrun://digits")


def test_weights_of_another_configuration_are_refused(tmp_path):
    shutil.copytree(ROOT / "reproduce/pretrained/digits", tmp_path / "digits")
    path = tmp_path / "digits/weights.npz"
    with np.load(path) as found:
        arrays = dict(list(found.items())[1:])
    np.savez(path, **arrays)
    with pytest.raises(InputError, match="does not fit operative.gin beside it: other shapes"):
        sr.load(tmp_path / "digits")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="does not fit operative.gin beside it"):
        sr.load(tmp_path / "digits")


def test_outputs_of_an_address_lie_below_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert outputs.new_folder("tf_shortrun://digits", "sample", None) == Path(
        "runs/digits/outputs/sample_1"
    )
