"""Files beside the checkpoints: damaged ones, those of an earlier run, and starting over."""

import json

import keras
import numpy as np
import pytest

from tf_shortrun.core import files
from tf_shortrun.core.errors import DivergenceError, InputError
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.training.checkpoint import Checkpoints
from tf_shortrun.training.history import History
from tf_shortrun.training.train import train
from toy_training import experiment, rows, run

WHOLE = '{"step": 2, "seconds": 1.0, "loss": 3.0}\n'
DAMAGE = {  # what a full disk, a crash or somebody left, behind a good line
    "torn": '{"step": 4, "seco',
    "torn in a number": '{"step": 4, "seconds": 2.0, "loss": 1',
    "binary": "\x00\x01\x02\n",
    "without step": '{"loss": 1.0}\n',
    "no object": "[1]\n",
    "empty line": "\n",
    "too deep": "[" * 10**5 + "\n",
    "step is no number": '{"step": true, "seconds": 2.0}\n',
    "text": '{"step": 4, "seconds": 2.0, "loss": "x"}\n',
    "too large": '{"step": 4, "seconds": 2.0, "loss": 1' + "0" * 400 + "}\n",
    "backwards": '{"step": 1, "seconds": 2.0}\n',
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_history_costs_one_line_and_not_the_run(tmp_path, one_replica, damage, caplog):
    run(tmp_path, 4, one_replica)
    (tmp_path / "history.jsonl").write_text(WHOLE + damage)
    with caplog.at_level("WARNING", "tf_shortrun"):
        _, history = run(tmp_path, 8, one_replica)
    assert history.step == 8 and [row["step"] for row in rows(tmp_path)] == [2, 6, 8]
    assert ("1 of 2 lines cannot be read" in caplog.text) == (damage != DAMAGE["backwards"])
    assert "ends at step 2, the checkpoint is of step 4: the lines between are lost" in caplog.text


@pytest.mark.parametrize("kept", ["", '{"step": 4}\n'])
def test_a_history_without_lines_or_without_seconds_goes_on(tmp_path, one_replica, kept, caplog):
    run(tmp_path, 4, one_replica)
    (tmp_path / "history.jsonl").write_text(kept)
    _, history = run(tmp_path, 8, one_replica)
    assert history.seconds > 0 and ("lines between are lost" in caplog.text) == (not kept)


@pytest.mark.parametrize("name", ["history.jsonl", "step_sizes.jsonl"])
def test_a_folder_in_place_of_a_file_is_one_line(tmp_path, one_replica, name):
    run(tmp_path, 4, one_replica)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name} cannot be read .*move it away"):
        run(tmp_path, 8, one_replica)


def test_a_file_in_place_of_the_checkpoints_is_one_line(tmp_path, one_replica):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(InputError, match="checkpoints cannot be read"):
        run(tmp_path, 4, one_replica)


def test_data_without_index_are_not_taken_for_a_new_run(tmp_path, one_replica):
    run(tmp_path, 8, one_replica)
    before = (tmp_path / "history.jsonl").read_bytes()
    for index in (tmp_path / "checkpoints").glob("*.index"):
        index.unlink()
    with pytest.raises(InputError, match="no index: bring the .index files back, or use --fresh"):
        run(tmp_path, 12, one_replica)
    assert (tmp_path / "history.jsonl").read_bytes() == before


def finished(workdir, one_replica):
    """Returns all files of a run that has numbers, a picture, a report and a model."""
    run(workdir, 4, one_replica)
    for folder in ("saved_model", "serving"):
        (workdir / folder).mkdir()
    for name in ("results.json", "samples.png", "report.html", "saved_model/model", "serving/x"):
        (workdir / name).write_text("old")
    return content(workdir)


def content(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_fresh_moves_all_of_the_old_run_aside_and_loses_nothing(tmp_path, one_replica):
    first = finished(tmp_path, one_replica)
    run(tmp_path, 4, one_replica, fresh=True)
    assert content(tmp_path / "previous_1") == first
    assert not (tmp_path / "report.html").exists() and not (tmp_path / "samples.png").exists()
    run(tmp_path, 4, one_replica, fresh=True)
    assert content(tmp_path / "previous_1") == first and (tmp_path / "previous_2").is_dir()
    assert not (tmp_path / "previous_2/previous_1").exists()


def test_fresh_with_a_setting_that_fails_costs_nothing(tmp_path, one_replica):
    """The learner fails in its first step, after everything was built."""
    first = finished(tmp_path, one_replica)
    setting = experiment(4)
    learner = setting.build(one_replica)
    learner.train_step = lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        train(setting, one_replica, learner, tmp_path, fresh=True)
    assert content(tmp_path) == first


def test_numbers_of_an_earlier_end_are_moved_aside_when_training_goes_on(tmp_path, one_replica):
    finished(tmp_path, one_replica)
    run(tmp_path, 8, one_replica)
    moved = {p.name for p in (tmp_path / "previous_1").iterdir()}
    assert moved == {"results.json", "samples.png", "report.html", "saved_model", "serving"}
    assert [row["step"] for row in rows(tmp_path)] == [2, 4, 6, 8]


def test_a_run_with_no_step_left_keeps_its_numbers(tmp_path, one_replica):
    first = finished(tmp_path, one_replica)
    run(tmp_path, 4, one_replica)
    assert content(tmp_path) == first


def test_a_text_is_replaced_as_a_whole_and_drafts_are_swept(tmp_path, monkeypatch):
    files.replace_text(tmp_path / "a.json", "old")
    monkeypatch.setattr(files.os, "fsync", lambda _: 1 / 0)  # as if the disk were full
    with pytest.raises(ZeroDivisionError):
        files.replace_text(tmp_path / "a.json", "new")
    assert (tmp_path / "a.json").read_text() == "old" and len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".draft-killed").mkdir()
    files.sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_reader_deletes_nothing(tmp_path, one_replica):
    """A checkpoint that is being written has a temporary folder: only the writer may sweep it."""
    run(tmp_path, 4, one_replica)
    (tmp_path / "checkpoints/ckpt-00000008_temp").mkdir()
    setting = experiment(4)
    assert Checkpoints(setting.build(one_replica), tmp_path / "checkpoints").restore() == 4
    assert (tmp_path / "checkpoints/ckpt-00000008_temp").exists()


def test_configurations_of_library_runs_are_kept_too(tmp_path, one_replica):
    run(tmp_path, 4, one_replica)
    kept = json.loads((tmp_path / "checkpoints/configuration.json").read_text())
    assert kept["configuration"]["seed"] == "1" and kept["configuration"]["data"].startswith("toy ")
    with pytest.raises(InputError, match="seed is 2, but"):
        run(tmp_path, 8, one_replica, seed=2)


def unstable(step_size):
    """Returns a maker of a learner whose posterior has precision 1 + 9 / .3^2 = 101 exactly."""

    def make():
        kernel = np.diag([3.0, 3.0, 0, 0]).astype(np.float32)[:2]
        network = keras.Sequential([keras.layers.Dense(4, use_bias=False)])
        model = Decoder(network, latent_widths=[2], sigma=0.3)
        network.layers[0].kernel.assign(kernel)
        return LatentLikelihood(model, ShortRun(12, step_size), keras.optimizers.Adam(1e-6))

    return make


@pytest.mark.parametrize(("step_size", "warnings"), [(1.0 / 101, 0), (3.0 / 101, 2)])
def test_an_unstable_chain_is_warned_of_once_with_a_remedy(
    tmp_path, one_replica, step_size, warnings, caplog
):
    with caplog.at_level("WARNING", "tf_shortrun"):
        run(tmp_path, 8, one_replica, make=unstable(step_size))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == warnings
    assert all("before step 2: steps are too long" in line for line in said)
    assert all("longest_move" in line for line in said)


def test_a_divergence_tells_what_the_chain_did_before(tmp_path):
    history = History(tmp_path, 0)
    history.begin()
    for step, norm in ((1, 3.0), (2, 103.0)):
        with history.fetching():
            pass
        history.record({"loss": 1.0, "latent_norm": norm})
        history.flush(step)
    with history.fetching():
        pass
    history.record({"loss": np.nan, "latent_norm": np.inf, "step_sharpness/end": 2.5})
    with pytest.raises(DivergenceError) as error:
        history.flush(3)
    assert (error.value.what, error.value.step) == ("loss, latent_norm not finite", 3)
    assert history.last_seen == "last seen: latent_norm 103, step_sharpness/end 2.5"


def test_a_divergence_tells_the_first_bad_update_of_a_line(tmp_path):
    history = History(tmp_path, 10)
    history.begin()
    for loss in (1.0, 2.0, np.inf, np.nan):
        with history.fetching():
            pass
        history.record({"loss": loss, **{f"term{i}": loss for i in range(4)}})
    with pytest.raises(DivergenceError, match="^loss, term0, term1 and 2 more .* update 13"):
        history.flush(14)


def test_a_file_in_place_of_the_curves_is_an_error_of_the_system(tmp_path, one_replica):
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(OSError, match="tensorboard") as error:
        run(tmp_path, 4, one_replica)
    assert error.value.filename == str(tmp_path / "tensorboard")
