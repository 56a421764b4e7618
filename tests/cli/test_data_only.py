"""Settings of somebody else, as data: what is more than that is refused before anything happens."""

import contextlib
import shutil
import sys
from pathlib import Path

import pytest
from absl import flags
from absl.testing import flagsaver

import tf_shortrun as sr
from tf_shortrun import main
from tf_shortrun.cli import config, gin_data_only, gin_text
from tf_shortrun.core.errors import InputError

flags.FLAGS.mark_as_parsed()
ROOT = Path(__file__).parents[2]
PIN = "reproduce/digits.gin"
HEAD = "from __gin__ import dynamic_registration\n"
EXPERIMENT = "from tf_shortrun.training import experiment\nexperiment.Experiment.dataset = "
FOLDER = "from tf_shortrun.data import folder\n"
KERAS = "import keras\n"


def refusal(text, tmp_path, monkeypatch):
    """Returns why a file is refused; the modules that it names lie ready, and are not imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "holiday.py").write_text("raise SystemExit('holiday was run')")
    (tmp_path / "given").mkdir()
    (tmp_path / "elsewhere.gin").write_text("NUM = 3\n")
    (tmp_path / "given/link.gin").symlink_to(tmp_path / "elsewhere.gin")
    (tmp_path / "given/mine.gin").write_text(HEAD + text)
    with pytest.raises(InputError) as error:
        config.load([PIN, "given/mine.gin"], data_only=True)
    assert (tmp_path / "photos").exists() and "holiday" not in sys.modules
    message = str(error.value)
    assert "\n" not in message and message.startswith("given/mine.gin, line ")
    return message.removeprefix("given/mine.gin, ").split(" is not allowed by ")[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import shutil\n", "line 2: import of shutil"),
        ("import holiday\n", "line 2: import of holiday"),
        ("from os import path\n", "line 2: import of os.path"),
        ("import keras as folder\n", "line 2: import of keras"),
        ("import keras.utils\n", "line 2: import of keras.utils"),
        ("import tf_shortrun\n", "line 2: import of tf_shortrun"),
        ("from tf_shortrun import main\n", "line 2: import of tf_shortrun.main"),
        ("from tf_shortrun.core import files\n", "line 2: import of tf_shortrun.core.files"),
        ("from tf_shortrun.training import aside\n", "import of tf_shortrun.training.aside"),
        # a deletion, called and not called, by a macro, in a list, in brackets of a block
        (f"import shutil\n{EXPERIMENT}@shutil.rmtree()\nshutil.rmtree.path='photos'", "of shutil"),
        (f"{EXPERIMENT}@shutil.rmtree()\n", "line 3: shutil.rmtree"),
        (f"{EXPERIMENT}@os.system()\n", "line 3: os.system"),
        ("X = @shutil.rmtree\n", "line 2: shutil.rmtree"),
        ("X = [1, (2, @a/shutil.rmtree())]\n", "line 2: shutil.rmtree"),
        ("shutil.rmtree.path = 'photos'\n", "line 2: shutil.rmtree"),
        ("shutil.rmtree:\n  path = 'photos'\n", "line 2: shutil.rmtree"),
        ("a/b/shutil.rmtree.path = 'photos'\n", "line 2: shutil.rmtree"),
        # what a module of this package has imported itself, and what is no part for a gin file
        (f"{FOLDER}X = @folder.Path.unlink()\n", "line 3: folder.Path.unlink"),
        (f"{FOLDER}X = @folder.image_source.os.remove()\n", "line 3: folder.image_source.os"),
        ("from tf_shortrun.data import folder as keras\nX = @keras.Path()\n", "keras.Path"),
        ("from tf_shortrun.evals.pictures import grids\nX = @grids.write_png()\n", "write_png"),
        # Keras reads and makes more than optimizers
        (f"{KERAS}X = @keras.utils.get_file()\n", "line 3: keras.utils.get_file"),
        (f"{KERAS}X = @keras.saving.load_model()\n", "line 3: keras.saving.load_model"),
        (f"{KERAS}X = @keras.layers.Lambda()\n", "line 3: keras.layers.Lambda"),
        (f"{KERAS}X = @keras.optimizers.deserialize()\n", "line 3: keras.optimizers.deserialize"),
        (f"{KERAS}X = @keras.optimizers.Adam.from_config()\n", "keras.optimizers.Adam.from_config"),
        (f"{KERAS}keras.layers.Dense.activation = {{'class_name': 'x'}}\n", "line 3: a dictionary"),
        ("X = [1, ({},)]\n", "line 2: a dictionary"),
        # files
        ("include '../elsewhere.gin'\n", "line 2: include of '../elsewhere.gin'"),
        ("include 'given/link.gin'\n", "line 2: include of 'given/link.gin'"),
        ("include '/etc/hostname'\n", "line 2: include of '/etc/hostname'"),
        (
            "from tf_shortrun.evals.features import classifier\n"
            "classifier.classifier.cache_dir = 'photos'\n",
            "line 3: cache_dir, a place to write to,",
        ),
    ],
)
def test_what_is_more_than_data_is_refused_and_not_run(text, words, tmp_path, monkeypatch):
    if "elsewhere.gin'" in text:
        text = text.replace("..", str(tmp_path))
        words = words.replace("..", str(tmp_path))
    assert words in refusal(text, tmp_path, monkeypatch)


def test_an_included_file_is_checked_too(tmp_path, monkeypatch):
    (tmp_path / "inner.gin").write_text(f"{HEAD}import shutil\n")
    (tmp_path / "mine.gin").write_text(f"{HEAD}include '{tmp_path}/inner.gin'\n")
    with pytest.raises(InputError, match=r"inner\.gin, line 2: import of shutil"):
        config.load([PIN, str(tmp_path / "mine.gin")], data_only=True)


BINDINGS = ["import holiday", "X = @os.system()", "X = @rmtree()", "include '/etc/group'"]


@pytest.mark.parametrize("binding", BINDINGS)
def test_bindings_are_checked_too(binding):
    with pytest.raises(InputError, match="--gin_bindings, line 1: .* is not allowed by"):
        config.load([PIN], [binding], data_only=True)


def test_without_the_switch_a_gin_file_is_a_program(tmp_path, monkeypatch):
    """What the switch is for: the same file, when it is trusted, deletes a folder."""
    (tmp_path / "photos").mkdir()
    path = f"shutil.rmtree.path = '{tmp_path}/photos'"
    text = f"{HEAD}import shutil\n{EXPERIMENT}@shutil.rmtree()\n{path}\n"
    (tmp_path / "mine.gin").write_text(text)
    with contextlib.suppress(InputError):
        config.load([PIN, str(tmp_path / "mine.gin")])
    assert not (tmp_path / "photos").exists()


def test_own_settings_are_accepted_in_a_file_and_in_bindings(tmp_path):
    text = f"""{HEAD}include '{tmp_path}/seed.gin'
import keras
from tf_shortrun.methods.latent import latent_likelihood as learner
from tf_shortrun.methods.latent import short_run
short_run.ShortRun:
    num_steps = 3
learner.LatentLikelihood.optimizer = @fast/keras.optimizers.SGD()
fast/keras.optimizers.SGD.learning_rate = %RATE
RATE = 0.5
"""
    (tmp_path / "mine.gin").write_text(text)
    (tmp_path / "seed.gin").write_text(
        f"{HEAD}from tf_shortrun.training import experiment\nexperiment.Experiment.seed = 7\n"
    )
    files, bindings = [PIN, str(tmp_path / "mine.gin")], ["ShortRun.num_steps = 4", "FEATURES = 4"]
    assert config.load(files, bindings, data_only=True).seed == 7


OWN = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("reproduce/*.gin"))
OWN += sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("gin/**/*.gin"))
OPERATIVE = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("tests/snapshots/*.gin"))


@pytest.mark.parametrize("file", OWN + OPERATIVE)
def test_every_file_of_the_package_and_every_operative_gin_is_data(file):
    rules = gin_data_only.DataOnly(ROOT, [str(ROOT / PIN)])
    rules.check(gin_text.read(str(ROOT / file)), file)


def test_what_may_be_named_is_known_by_full_name():
    known = gin_data_only.named(ROOT)
    assert "tf_shortrun.data.digits.digits" in known and "keras.optimizers.Adam" in known
    assert all(name.startswith(("tf_shortrun.", "keras.")) for name in known)
    assert not any(".core." in name or ".cli." in name or ".export." in name for name in known)
    assert shutil.rmtree.__name__ not in {name.rpartition(".")[2] for name in known}


@pytest.mark.parametrize("verb", ["train", "evaluate", "export"])
def test_every_verb_that_reads_settings_has_the_switch(verb, tmp_path, monkeypatch, one_replica):
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    (tmp_path / "mine.gin").write_text(f"{HEAD}import shutil\n")
    given = {"gin_file": [PIN, str(tmp_path / "mine.gin")], "workdir": str(tmp_path / "run")}
    with (
        flagsaver.flagsaver(data_only_settings=True, **given),
        pytest.raises(InputError, match="import of shutil is not allowed"),
    ):
        main.main(["main", verb])
    assert not (tmp_path / "run").exists()


def test_the_settings_of_a_run_of_somebody_else_can_be_loaded_as_data(tmp_path):
    (tmp_path / "operative.gin").write_text(f"{HEAD}import shutil\n")
    with pytest.raises(InputError, match=r"operative\.gin, line 2: import of shutil"):
        sr.load(tmp_path, data_only_settings=True)
