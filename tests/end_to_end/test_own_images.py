"""--images: a folder is looked at, trained on, and what was resolved and odd is kept."""

import json

import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from tf_shortrun import main
from tf_shortrun.api import load
from tf_shortrun.cli import own_images
from tf_shortrun.core.errors import InputError

flags.FLAGS.mark_as_parsed()
SMALL = [
    "FEATURES = 4",
    "top_down.TopDownGenerator.latent_widths = (4, 4)",
    "short_run.ShortRun.num_steps = 2",
    "experiment.Experiment.num_steps = 2",
    "experiment.Experiment.watch_every = None",
    "experiment.Experiment.evals = []",
    "experiment.Experiment.pictures = []",
]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Returns fifty grey pictures of two classes, 30 x 40, wrapped in a folder; some are odd."""
    place = tmp_path_factory.mktemp("own") / "photos"
    for i in range(50):
        path = place / "album" / "ab"[i % 2] / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 256, (30, 40), dtype=np.uint8)
        Image.fromarray(pixels.astype(np.uint16) * 257 if i < 3 else pixels).save(path)
    (place / "album/a/98.png").write_bytes(b"no image")
    (place / "notes.txt").write_text("")
    return place


@pytest.fixture(autouse=True)
def strategy(monkeypatch, one_replica):
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    monkeypatch.setattr(main.work, "publish", lambda *_: None)  # exports have their own tests


def call(photos, run, *bindings, size=None):
    given = {"images": str(photos), "image_size": size, "workdir": str(run)}
    with flagsaver.flagsaver(gin_bindings=[*SMALL, *bindings], **given):
        main.main(["main"])


@pytest.fixture(scope="module")
def run(photos, one_replica):
    patch = pytest.MonkeyPatch()
    patch.setattr(main.workers, "strategy", lambda: one_replica)
    patch.setattr(main.work, "publish", lambda *_: None)
    call(photos, photos.parent / "run", "folder.folder.unreadable = 'skip'")
    patch.undo()
    return photos.parent / "run"


def test_fifty_grey_images_that_are_not_square_train_as_they_are(run):
    result = json.loads((run / "results.json").read_text())
    data = result["data"]
    assert data["shape"] == [24, 32, 1] and data["num_train"] + data["num_test"] == 50
    assert result["steps"] == 2 and result["dataset"] == "photos"
    assert data["split"] == "shuffled, seed 0, the same share of every class"
    assert data["classes"] == "2: a, b" and len(data["test_names"]) == 12
    assert "IMAGE_SHAPE = (24, 32, 1)" in (run / "operative.gin").read_text()
    assert load(run).sample(2).shape == (2, 24, 32, 1)


def test_the_report_names_what_was_converted_skipped_and_left_out(run):
    page = (run / "report.html").read_text()
    for words in (
        "3 of 16 bits (the high byte): album/a/00.png, album/a/02.png, album/b/01.png",
        "1 of 51 images: cannot read album/a/98.png",
        "1 .txt: no images by name",
        "shuffled, seed 0, the same share of every class",
        "24 x 32 x 1",
    ):
        assert words in page


def test_what_was_found_is_the_same_when_the_run_goes_on(photos, run, capsys):
    more = "experiment.Experiment.num_steps = 3"
    kept = [b for b in SMALL if "num_steps = 2" not in b or "ShortRun" in b]
    given = {"images": str(photos), "image_size": "auto", "workdir": str(run)}
    bindings = [*kept, more, "folder.folder.unreadable = 'skip'"]
    with flagsaver.flagsaver(gin_bindings=bindings, **given):
        main.main(["main"])
    assert json.loads((run / "results.json").read_text())["steps"] == 3
    out = capsys.readouterr().out
    assert "51 images, 30 high, 40 wide" in out and "1 cannot be read: album/a/98.png" in out
    assert "size of the observations: 24 x 32 x 1, as proposed" in out


def test_another_size_is_another_configuration(photos, run):
    with pytest.raises(InputError, match=r"IMAGE_SHAPE is \(16, 16, 1\), but .*\(24, 32, 1\)"):
        call(photos, run, "folder.folder.unreadable = 'skip'", size="16")


def test_an_unreadable_image_is_refused_with_the_remedy(photos, tmp_path):
    with pytest.raises(InputError, match=r"album/a/98.png .*unreadable = 'skip'"):
        call(photos, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("size", "sides"), [("64", (64, 64)), ("48x64", (48, 64))])
def test_sizes_are_a_side_or_height_and_width(size, sides):
    assert own_images.sides_of(size) == sides


@pytest.mark.parametrize("size", ["15", "257", "0", "48x", "x48", "48x64x3", "-64", "big", ""])
def test_other_sizes_are_refused_in_one_line(size):
    with pytest.raises(InputError, match=r"^--image_size is [^\n]*from 16 to 256$"):
        own_images.sides_of(size)


def test_flags_that_say_nothing_are_refused():
    with pytest.raises(InputError, match="--images=FOLDER"):
        own_images.resolve(None, None, [], [])
    with pytest.raises(InputError, match="--image_size is for --images"):
        own_images.resolve(None, "64", ["reproduce/demo.gin"], [])


def test_the_best_state_on_images_that_are_held_out_is_kept_shown_and_loaded(photos, tmp_path):
    bindings = [
        *[b for b in SMALL if "Experiment.num_steps" not in b],
        "folder.folder.unreadable = 'skip'",
        "experiment.Experiment.num_steps = 4",
        "experiment.Experiment.checkpoint_every = 1",
    ]
    given = {"images": str(photos), "workdir": str(tmp_path), "gin_bindings": bindings}
    with flagsaver.flagsaver(gin_file=["gin/evals/validation.gin"], **given):
        main.main(["main"])
    lines = (tmp_path / "validation.jsonl").read_text().splitlines()
    errors = {row["step"]: row["mse"] for row in map(json.loads, lines)}
    best = json.loads((tmp_path / "results.json").read_text())["validation"]
    assert best == {"metric": "mse", "value": min(errors.values()), "step": best["step"]}
    assert list(errors) == [1, 2, 3, 4] and errors[best["step"]] == best["value"]
    data = json.loads((tmp_path / "results.json").read_text())["data"]
    assert data["num_held_out"] == 4 and data["num_train"] + data["num_test"] == 50 - 4
    page = (tmp_path / "report.html").read_text()
    assert f"those after {best['step']} updates, when mse of" in page and "validation" in page
    (kept,) = (tmp_path / "best").glob("*.index")
    expected = tf.train.load_checkpoint(str(kept.with_suffix("")))
    variable = load(tmp_path).learner.model.trainable_variables[0]
    values = [expected.get_tensor(name) for name in expected.get_variable_to_shape_map()]
    assert any(v.shape == variable.shape and np.array_equal(v, variable) for v in values)
    # Values of another eval must not be mixed with these.
    other = ["validation/reconstruction.Reconstruction.num_images = 2"]
    given["gin_bindings"] = [*bindings, *other]
    with (
        flagsaver.flagsaver(gin_file=["gin/evals/validation.gin"], **given),
        pytest.raises(InputError, match="validation/Reconstruction.num_images is 2, but"),
    ):
        main.main(["main"])
