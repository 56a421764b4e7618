"""A run is one configuration: what goes on with another one is refused, recorded, or kept apart."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from tf_shortrun import main
from tf_shortrun.cli import workdir as names
from tf_shortrun.core.errors import InputError
from tf_shortrun.training.configuration import Kept

flags.FLAGS.mark_as_parsed()
SMALL = [
    "folder.folder.num_test = 4",
    "folder.folder.size = 8",
    "IMAGE_SHAPE = (8, 8, 3)",
    "NUM_UPSAMPLINGS = 1",
    "FEATURES = 8",
    "experiment.Experiment.num_steps = 2",
    "experiment.Experiment.batch_size = 4",
    "experiment.Experiment.evals = [@reconstruction.Reconstruction()]",
    "experiment.Experiment.pictures = []",
    "experiment.Experiment.watch_every = None",
    "reconstruction.Reconstruction.times = (1,)",
    "top_down.TopDownGenerator.latent_widths = (4, 4)",
    "short_run.ShortRun.num_steps = 2",
]
PIN = """
from __gin__ import dynamic_registration
include 'gin/latent/short_run.gin'
include 'gin/latent/steady.gin'
import keras
from tf_shortrun.training import experiment
from tf_shortrun.data import folder
from tf_shortrun.evals import reconstruction
experiment.Experiment.dataset = @folder.folder()
experiment.Experiment.scale = 'cpu'
experiment.Experiment.checkpoint_every = 2
experiment.Experiment.seed = 1
keras.optimizers.Adam.learning_rate = 1e-3
reconstruction.Reconstruction.batch_size = 4
"""


def photos(place: Path, seed: int):
    place.mkdir()
    for i in range(12):
        pixels = np.random.default_rng([seed, i]).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{i:03d}.png")
    return place


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Returns a folder with photos of dogs and cats, and a finished run on the dogs."""
    place = tmp_path_factory.mktemp("here")
    (place / "pin.gin").write_text(PIN)
    for seed, kind in enumerate(("dogs", "cats")):
        photos(place / kind, seed)
    return place


@pytest.fixture(autouse=True)
def strategy(monkeypatch, one_replica):
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    monkeypatch.setattr(main.work, "publish", lambda *_: None)  # exports have their own tests


def call(here, *bindings, verb="train", kind="dogs", accept=False):
    changed = {b.partition("=")[0].strip() for b in bindings}
    kept = [b for b in SMALL if b.partition("=")[0].strip() not in changed]
    given = [*kept, f"folder.folder.path = '{here / kind}'", *bindings]
    files, run = [str(here / "pin.gin")], str(here / "run")
    with flagsaver.flagsaver(
        gin_file=files, gin_bindings=given, workdir=run, accept_changes=accept
    ):
        main.main(["main", verb])


@pytest.fixture(scope="module")
def run(here, one_replica):
    patch = pytest.MonkeyPatch()
    patch.setattr(main.workers, "strategy", lambda: one_replica)
    patch.setattr(main.work, "publish", lambda *_: None)
    call(here)
    patch.undo()
    return here / "run"


def state(run):
    """Returns the bytes of everything in the folder of a run."""
    return {
        p: p.read_bytes() for p in run.rglob("*") if p.is_file() and "evaluations" not in p.parts
    }


@pytest.mark.parametrize(
    ("binding", "named", "before"),
    [
        ("experiment.Experiment.seed = 2", "Experiment.seed is 2", "1"),
        ("short_run.ShortRun.step_size = 0.02", "ShortRun.step_size is 0.02", "0.00125"),
        ("short_run.ShortRun.num_steps = 3", "ShortRun.num_steps is 3", "2"),
        ("experiment.Experiment.batch_size = 2", "Experiment.batch_size is 2", "4"),
        ("experiment.Experiment.method = 'abp'", "Experiment.method is 'abp'", "'short_run'"),
        ("experiment.Experiment.variant = 'x'", "Experiment.variant is 'x'", "none"),
        ("experiment.Experiment.scale = 'paper'", "Experiment.scale is 'paper'", "'cpu'"),
        ("folder.folder.num_test = 2", "data is dogs", "dogs"),
        ("FEATURES = 6", "FEATURES is 6", "8"),
    ],
)
@pytest.mark.parametrize("verb", ["train", "export"])
def test_another_setting_is_refused_in_one_line_and_nothing_changes(
    here, run, binding, named, before, verb
):
    kept = state(run)
    with pytest.raises(InputError) as error:
        call(here, binding, verb=verb)
    line = str(error.value)
    assert named in line and f"were made with {before}" in line
    assert "--workdir" in line and "--fresh" in line and "--accept_changes" in line
    assert "\n" not in line and state(run) == kept


def test_a_second_folder_of_images_is_refused(here, run):
    with pytest.raises(InputError, match=r"data is cats \w{12}, but .* were made with dogs \w{12}"):
        call(here, kind="cats")


def test_fewer_steps_than_were_made_are_refused(here, run):
    with pytest.raises(InputError, match=r"num_steps is 1, but the run in .* has made 2 updates"):
        call(here, "experiment.Experiment.num_steps = 1")


def test_intervals_evals_and_the_place_of_the_data_are_no_other_configuration(here, run):
    (here / "dogs").rename(here / "moved")
    (here / "dogs").symlink_to(here / "moved")
    call(
        here, "experiment.Experiment.log_every = 1", "reconstruction.Reconstruction.num_images = 2"
    )
    assert not json.loads((run / "results.json").read_text())["changes"]


def test_an_evaluation_with_another_seed_is_kept_apart(here, run):
    call(here)  # its own numbers
    own = (run / "results.json").read_bytes()
    call(here, "experiment.Experiment.seed = 5", verb="evaluate")
    assert (run / "results.json").read_bytes() == own
    (apart,) = (run / "evaluations").iterdir()
    assert re.fullmatch(r"seed=5-[0-9a-f]{6}", apart.name)
    result = json.loads((apart / "results.json").read_text())
    assert result["seed"] == 5 and result["metrics"]["mse"] > 0
    change = {"name": "Experiment.seed", "before": "1", "now": "5", "step": 2}
    assert result["changes"] == [change]


def test_an_accepted_change_is_recorded_with_its_step_and_then_is_the_configuration(here, run):
    longer = "experiment.Experiment.num_steps = 4"
    bolder = "keras.optimizers.Adam.learning_rate = 0.002"
    call(here, longer, bolder, accept=True)
    change = {"name": "Adam.learning_rate", "before": "0.001", "now": "0.002", "step": 2}
    assert json.loads((run / "results.json").read_text())["changes"] == [change]
    call(here, "experiment.Experiment.num_steps = 5", bolder)
    assert json.loads((run / "results.json").read_text())["changes"] == [change]
    with pytest.raises(InputError, match=r"Adam.learning_rate is 0.001, but .* made with 0.002"):
        call(here, "experiment.Experiment.num_steps = 6")


def test_default_folders_differ_whenever_settings_do():
    of = names.of_run
    assert of(["reproduce/digits.gin"], []) == Path("runs/digits")
    one, two = (of(["a/b.gin"], [f"folder.folder.path='{p}'"]) for p in ("/x/dogs", "/y/dogs"))
    assert one != two and re.fullmatch(r"b-path=_x_dogs-[0-9a-f]{6}", one.name)
    assert of(["b.gin"], ["A.seed=1"]) == of(["b.gin"], ["A.seed  = 1".replace("  =", "=")])
    assert len(of(["b.gin"], [f"A.x{i} = {i}" for i in range(99)]).name) < 80
    assert not re.search(r"[^\w.=+-]", of(["b.gin"], ["f.p = '/a b/$c\n'"]).name)


def test_a_record_that_cannot_be_read_says_what_to_do(tmp_path):
    (tmp_path / "configuration.json").write_text('{"configuration": 3}')
    with pytest.raises(InputError, match="delete it"):
        Kept(tmp_path)
