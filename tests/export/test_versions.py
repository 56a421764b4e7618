"""Tests that a further export is a further version, and that one that fails leaves no files."""

from pathlib import Path

import pytest
import tensorflow as tf

from exported import SEED, Sampler, close
from tf_shortrun.export.saved_model import export


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_second_export_is_version_2_and_the_first_is_kept(tmp_path):
    learner = Sampler()
    first = export(learner, tmp_path, "short_run")
    before, config = files(first), (tmp_path / "models.config").read_text()
    samples = learner.sample(3, SEED)
    learner.sigma.assign(0.9)
    second = export(learner, tmp_path, "short_run")
    assert (first.name, second.name) == ("1", "2") and files(first) == before
    for folder, expected in ((first, samples), (second, learner.sample(3, SEED))):
        loaded = tf.saved_model.load(str(folder))
        assert close(loaded.sample(tf.constant(SEED), tf.constant(3))["images"], expected)
    # The server takes the newest version of the folder; the file names no version.
    assert (tmp_path / "models.config").read_text() == config and "version" not in config
    assert {p.name for p in tmp_path.iterdir()} == {"saved_model", "models.config", "serving"}


def test_a_version_that_was_deleted_is_not_taken_again(tmp_path):
    for number in ("3", "10", "notes"):
        (tmp_path / "saved_model" / number).mkdir(parents=True)
    assert export(Sampler(), tmp_path, "m").name == "11"


def cut_save(monkeypatch, error):
    save = tf.saved_model.save

    def half(model, folder, **options):
        save(model, folder, **options)
        (Path(folder) / "variables" / "variables.index").unlink()
        raise error

    monkeypatch.setattr(tf.saved_model, "save", half)


def cut_rename(monkeypatch, error):
    rename = Path.rename

    def fail(self, target):
        if self.name == "new":
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)


@pytest.mark.parametrize("cut", [cut_save, cut_rename])
@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_export_keeps_the_old_one(tmp_path, monkeypatch, cut, error):
    learner = Sampler()
    export(learner, tmp_path, "short_run")
    before = files(tmp_path)
    learner.sigma.assign(0.9)
    cut(monkeypatch, error)
    with pytest.raises(type(error)):
        export(learner, tmp_path, "short_run")
    assert files(tmp_path) == before and not (tmp_path / ".export").exists()


def test_what_a_killed_export_left_is_swept_by_the_next(tmp_path):
    (tmp_path / ".export" / "new").mkdir(parents=True)
    export(Sampler(), tmp_path, "short_run")
    assert not (tmp_path / ".export").exists()


def test_a_failed_first_export_leaves_nothing(tmp_path, monkeypatch):
    cut_save(monkeypatch, OSError("disk full"))
    with pytest.raises(OSError, match="disk full"):
        export(Sampler(), tmp_path, "short_run")
    assert not list(tmp_path.iterdir())
