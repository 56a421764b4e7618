"""Tests of the command as a user runs it: the files that it writes, and its error messages."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tf_shortrun import main
from tf_shortrun.core.errors import InputError, Interrupted

flags.FLAGS.mark_as_parsed()
ROOT = Path(__file__).parents[2]
PIN = "--gin_file=reproduce/digits.gin"
SMALL = [
    "experiment.Experiment.num_steps = 6",
    "experiment.Experiment.checkpoint_every = 3",
    "reconstruction.Reconstruction.num_images = 20",
    "quality.FeatureDistances.num_samples = 100",
    "classifier.classifier.num_steps = 20",
    "top_down.TopDownGenerator.latent_widths = (4, 4)",
    "short_run.ShortRun.num_steps = 5",
    "FEATURES = 8",
]


def command(*arguments, cache, cwd=ROOT):
    """Runs the command and returns exit code, stdout and stderr."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_SHORTRUN_CACHE": str(cache)}
    line = [sys.executable, "-m", "tf_shortrun.main", *arguments]
    done = subprocess.run(line, capture_output=True, text=True, cwd=cwd, env=environment)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Returns workdir, stdout and stderr of a small run of the digits from another directory."""
    here = tmp_path_factory.mktemp("here")
    bindings = [f"--gin_bindings={binding}" for binding in SMALL]
    code, out, err = command(PIN, *bindings, cache=here, cwd=here)
    assert code == 0, err
    (workdir,) = (here / "runs").iterdir()
    return workdir, out, err


def test_a_run_writes_all_its_files(finished):
    workdir, out, _ = finished
    assert workdir.name.startswith("digits-num_steps=6-checkpoint_every=3-")
    names = {path.name for path in workdir.iterdir()}
    assert names >= {
        "results.json", "operative.gin", "history.jsonl", "samples.png", "reconstructions.png",
        "interpolations.png", "layers.png", "tensorboard", "checkpoints", "saved_model",
        "models.config", "report.html", "serving",
    }  # fmt: skip
    assert not [name for name in names if name.startswith((".", "tmp"))]
    assert (workdir / "saved_model/1/saved_model.pb").exists()
    card = (workdir / "saved_model/1/model_card.md").read_text()
    assert "by the method `short_run`" in card and "data set: digits" in card and "mse@2K" in card
    assert "report.html" in out and "mse@2K" in out


def test_results_describe_the_run(finished):
    result = json.loads((finished[0] / "results.json").read_text())
    assert (result["method"], result["dataset"], result["steps"]) == ("short_run", "digits", 6)
    assert set(result["metrics"]) >= {"mse", "mse@2K", "mse@4K", "frechet/digits_classifier"}
    assert set(result["metrics"]) >= {
        "peak_memory_gib", "seconds_per_step", "images_per_second", "input_wait_share",
        "page_faults_per_step", "system_time_share",
    }  # fmt: skip
    assert result["better"]["mse"] == "lower"
    assert "test images of digits" in result["protocol"]["mse"]
    assert 0 <= result["metrics"]["input_wait_share"] < 1
    assert PIN in result["command"] and result["seconds"] > 0
    assert result["versions"]["tensorflow"].startswith("2.")


def test_tensorboard_has_the_results_and_the_settings_of_the_run(finished):
    shown = EventAccumulator(str(finished[0] / "tensorboard")).Reload()
    result = json.loads((finished[0] / "results.json").read_text())
    (mse,) = shown.Tensors("result/mse@2K")
    assert tf.make_ndarray(mse.tensor_proto) == pytest.approx(result["metrics"]["mse@2K"])
    content = shown.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"ShortRun.step_size" in content and b"Experiment.seed" in content


def test_the_saved_settings_include_the_parameters_of_evals(finished):
    assert "classifier.num_steps = 20" in (finished[0] / "operative.gin").read_text()


def test_stderr_has_only_the_progress_bars(finished):
    lines = [line for line in finished[2].replace("\r", "\n").splitlines() if line.strip()]
    assert not [line for line in lines if "digits" not in line]
    assert any("Training digits_classifier" in line for line in lines)
    assert any(re.search(r"6/6 \[.*<.*(step/s|s/step), .*mse=", line) for line in lines)


def test_evaluate_repeats_the_evaluation_without_training(finished, monkeypatch, one_replica):
    workdir, _, _ = finished
    before = json.loads((workdir / "results.json").read_text())
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    monkeypatch.setenv("TF_SHORTRUN_CACHE", str(workdir.parents[1]))
    given = {"gin_file": [PIN.split("=")[1]], "gin_bindings": SMALL, "workdir": str(workdir)}
    with flagsaver.flagsaver(**given):
        main.main(["main", "evaluate"])
    after = json.loads((workdir / "results.json").read_text())
    assert after["steps"] == 6 and after["seconds"] == before["seconds"]
    for name in ("mse", "mse@4K", "frechet/digits_classifier"):
        assert after["metrics"][name] == pytest.approx(before["metrics"][name], rel=1e-4)


def test_a_mistake_ends_with_code_2_and_one_line_and_no_files(tmp_path):
    code, out, err = command(
        PIN, "--gin_bindings=experiment.Experiment.seeed=1", cache=tmp_path, cwd=tmp_path
    )
    assert code == 2 and not out
    line = r"tf_shortrun: experiment\.Experiment has no parameter 'seeed': did you mean seed\? "
    assert re.fullmatch(line + r"\(\d+ others\)\n", err), err
    assert not list(tmp_path.iterdir())


def failure(tmp_path, *bindings, verb=(), files=("reproduce/digits.gin",)):
    """Returns the first line of the error of `main`, which must not write any file."""
    workdir = tmp_path / "run"
    given = {"gin_file": list(files), "gin_bindings": list(bindings), "workdir": str(workdir)}
    with flagsaver.flagsaver(**given), pytest.raises(InputError) as error:
        main.main(["main", *verb])
    assert not workdir.exists()
    return str(error.value).splitlines()[0]


def ending(tmp_path, capsys, **given):
    """Returns exit code and last line on stderr of a small run that is interrupted."""
    given = {"gin_file": ["reproduce/digits.gin"], "gin_bindings": SMALL, **given}
    with flagsaver.flagsaver(workdir=str(tmp_path), **given), pytest.raises(SystemExit) as end:
        main._one_line(["main"])
    return end.value.code, capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_ends_with_the_code_of_its_signal(
    tmp_path, monkeypatch, capsys, one_replica, number, code
):
    # A second strategy over both devices would use the same keys for collective operations.
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    monkeypatch.setattr(main.work.evaluate, "draw", lambda *_: os.kill(os.getpid(), number) or {})
    assert ending(tmp_path, capsys) == (
        code,
        "tf_shortrun: interrupted, saved at step 4: "
        "the same command goes on from the last checkpoint",
    )
    assert (tmp_path / "checkpoints/ckpt-00000004.index").exists()


def test_an_interruption_of_a_fresh_run_says_to_continue_without_fresh(
    tmp_path, monkeypatch, capsys
):
    def interrupted(*_):
        raise Interrupted("interrupted", signal.SIGINT)

    monkeypatch.setattr(main.config, "load", interrupted)
    code, line = ending(tmp_path, capsys, fresh=True)
    assert code == 130 and "interrupted: the same command without --fresh goes on" in line


OUTSIDE = """
import os, sys, time
from tf_shortrun.cli.process import ended_in_one_line
with ended_in_one_line("again"):
    try:
        os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(9)
    except BaseException:  # as a library may do
        pass
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_outside_training_ends_at_once_in_one_line_whatever_is_caught(number):
    line = [sys.executable, "-c", OUTSIDE, str(int(number))]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stderr) == (128 + number, "tf_shortrun: interrupted: again\n")


def test_a_file_that_cannot_be_written_ends_in_one_line_with_its_own_code(tmp_path, capsys):
    with pytest.raises(SystemExit) as end, main.process.ended_in_one_line("again"):
        (tmp_path / "none" / "file").write_text("")
    line = capsys.readouterr().err
    assert end.value.code == 74 and line.count("\n") == 1
    assert str(tmp_path / "none/file") in line and "No such file" in line


def test_a_misspelt_flag_is_named_in_one_line(capsys):
    with pytest.raises(SystemExit) as end:
        main._parse(["main", "--gin_fil=reproduce/digits.gin"])
    lines = capsys.readouterr().err.splitlines()
    assert end.value.code == 2 and len(lines) == 1 and "gin_file" in lines[0]


def test_a_missing_gin_file_is_an_error(tmp_path):
    assert "--gin_file" in failure(tmp_path, files=[])


def test_an_unknown_verb_lists_the_verbs(tmp_path):
    assert "evaluate" in failure(tmp_path, verb=["evalute"])


@pytest.mark.parametrize("verb", ["evaluate", "export"])
def test_evaluate_and_export_need_a_checkpoint(tmp_path, verb, monkeypatch, one_replica):
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    assert "train first" in failure(tmp_path, *SMALL, verb=[verb])


def test_a_verb_for_one_machine_refuses_several(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "{}")
    message = failure(tmp_path, verb=["evaluate"])
    assert message == "evaluate runs only on one machine: unset TF_CONFIG"


def test_report_needs_results(tmp_path):
    assert "results.json is missing" in failure(tmp_path, verb=["report"])


@pytest.mark.parametrize(
    ("binding", "culprit"),
    [
        ("experiment.Experiment.batch_size = 0", "batch_size"),
        ("experiment.Experiment.batch_size = 5000", "batch_size"),
        ("IMAGE_SHAPE = (16, 16, 1)", "the model makes (16, 16, 1)"),
        ("IMAGE_SHAPE = (0, 8, 1)", "image_shape"),
        ("short_run.ShortRun.num_steps = 'ten'", "num_steps"),
        ("short_run.ShortRun.step_size = -1.0", "step_size"),
        ("short_run.ShortRun.step_size = (0.1, 0.2)", "does not broadcast"),
        ("top_down.TopDownGenerator.sigma = 0.0", "sigma"),
        ("nowhere.nothing = 1", "nowhere"),
    ],
)
def test_wrong_bindings_are_refused(tmp_path, binding, culprit):
    assert culprit in failure(tmp_path, binding)


def test_wrong_data_are_refused(tmp_path):
    """The folder of images is missing, empty or has an unreadable file."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    Image.fromarray(np.zeros([8, 8], np.uint8)).save(tmp_path / "broken" / "a.png")
    (tmp_path / "broken" / "b.png").write_bytes(b"no image")
    pin = ["reproduce/celeba32.gin"]
    for name, culprit in (("missing", "missing"), ("empty", "no images"), ("broken", "b.png")):
        bindings = [f"folder.folder.path = '{tmp_path / name}'", "folder.folder.num_train = 1",
                    "folder.folder.num_test = 1"]  # fmt: skip
        assert culprit in failure(tmp_path, *bindings, files=pin)


def test_a_data_set_that_is_not_prepared_names_the_command_for_it(tmp_path):
    binding = f"tfds_images.tfds_images.data_dir = '{tmp_path}'"
    message = failure(tmp_path, binding, files=["reproduce/mnist.gin"])
    assert "python -m tools.prepare_data mnist" in message
