"""The verbs of the command on a trained run, with pictures, folders and arrays."""

import contextlib
import csv
import io
import shutil

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image

import tf_shortrun as sr
from tf_shortrun import api, main
from tf_shortrun.core.errors import InputError
from tf_shortrun.data import digits
from tf_shortrun.use import outputs, verbs

flags.FLAGS.mark_as_parsed()
SMALL = [
    "experiment.Experiment.num_steps = 2",
    "experiment.Experiment.evals = []",
    "experiment.Experiment.pictures = []",
    "short_run.ShortRun.num_steps = 2",
]


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, one_replica):
    """A run on digits, whose data are not asked for again."""
    place = tmp_path_factory.mktemp("runs") / "digits"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main.workers, "strategy", lambda: one_replica)
        patch.setattr(main.work, "publish", lambda *_: None)
        flagged = {"gin_file": ["reproduce/demo.gin"], "gin_bindings": SMALL, "workdir": str(place)}
        with flagsaver.flagsaver(**flagged):
            main.main(["tf-shortrun"])
    return place


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Coloured pictures of another size; one in a folder below."""
    place, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    (place / "more").mkdir()
    for name in ("a.png", "b.jpg", "more/a.png"):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(place / name)
    return place


def do(workdir, verb, *arguments):
    """Returns the new folder with the files of the verb."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        verbs.work([verb, str(workdir), *map(str, arguments)], api.load)
    (folder,) = {line.rpartition("/")[0] for line in said.getvalue().splitlines()}
    return workdir / folder


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_the_command_and_the_library_give_the_same_samples(workdir):
    folder = do(workdir, "sample", "--num=5", "--seed=3")
    images = np.load(folder / "images.npz")["images"]
    np.testing.assert_array_equal(images, sr.load(workdir).sample(5, seed=3))
    assert len(list((folder / "images").iterdir())) == 5
    with Image.open(folder / "images" / "sample_00004.png") as one:
        written = np.asarray(one)[..., :1] / 127.5 - 1
    np.testing.assert_allclose(written, images[4].clip(-1, 1), atol=0.004)


def test_the_data_are_not_asked_for_again(workdir, monkeypatch):
    read = []
    monkeypatch.setattr(digits, "load_digits", lambda **_: read.append(1))
    expected = np.load(do(workdir, "sample", "--num=5", "--seed=3") / "images.npz")["images"]
    np.testing.assert_array_equal(expected, sr.load(workdir).sample(5, seed=3))
    assert not read


def test_codes_have_the_names_of_their_pictures_and_decode_to_reconstructions(workdir, pictures):
    codes = do(workdir, "encode", pictures)
    rows = table(codes / "latents.csv")
    assert [row["name"] for row in rows] == ["a.png", "b.jpg", "more/a.png"]
    latents = np.load(codes / "latents.npz")
    assert float(rows[1]["layer0_3"]) == pytest.approx(float(latents["layer0"][1, 3]))
    decoded = np.load(do(workdir, "decode", codes / "latents.npz") / "images.npz")
    seen = do(workdir, "reconstruct", pictures)
    np.testing.assert_allclose(decoded["images"], np.load(seen / "images.npz")["images"], atol=1e-5)
    names = sorted(path.name for path in (seen / "images").iterdir())
    assert names == ["a.png", "b.png", "more_a.png"]


def test_scores_are_those_of_the_library_with_percentiles(workdir, pictures):
    rows = table(do(workdir, "score", pictures / "a.png", pictures / "b.jpg") / "scores.csv")
    run = sr.load(workdir)
    x = np.stack([run.preparation(Image.open(pictures / n))[0] for n in ("a.png", "b.jpg")])
    scores = run.score(x)
    np.testing.assert_allclose([float(row["score"]) for row in rows], scores, rtol=1e-5)
    wanted = run.percentile(scores)
    np.testing.assert_allclose([float(row["percentile"]) for row in rows], wanted, atol=1e-3)


@pytest.mark.parametrize("mask", ["mask.png", "mask.npy"])
def test_what_a_mask_shows_is_kept(workdir, pictures, tmp_path, mask):
    seen = np.arange(64).reshape(8, 8) % 3 > 0
    Image.fromarray(seen.astype(np.uint8) * 255).save(tmp_path / "mask.png")
    np.save(tmp_path / "mask.npy", seen)
    folder = do(workdir, "inpaint", pictures / "a.png", tmp_path / mask)
    (filled,) = np.load(folder / "images.npz")["images"]
    image = sr.load(workdir).preparation(Image.open(pictures / "a.png"))[0] / 127.5 - 1
    np.testing.assert_allclose(filled[seen], image[seen], atol=1e-6)
    assert np.abs(filled[~seen] - image[~seen]).max() > 0.1


def test_paths_have_as_many_pictures_as_asked(workdir, pictures):
    calls = [
        ("interpolate", pictures / "a.png", pictures / "b.jpg", "--num=3", "--path=straight"),
        ("traverse", pictures / "a.png", "--coordinate=1", "--num=3"),
        ("traverse", "--num=3"),
    ]
    for call in calls:
        assert np.load(do(workdir, *call) / "images.npz")["images"].shape == (3, 8, 8, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["decode", "{here}/none.npz"], "does not exist"),
        (["decode", "{here}/table.npz"], "no layer0"),
        (["decode", "{here}/objects.npz"], "cannot be read as arrays of numbers"),
        (["encode", "{here}/two.npz"], "name one of them images"),
        (["encode", "{here}/wide.npy"], r"observations have the shape \(2, 9, 9, 1\)"),
        (["encode", "{here}/nothing"], "does not exist"),
        (["encode", "{here}/torn.png"], "cannot read torn.png"),
        (["encode", "{here}/wide.npy", "{photos}/a.png"], "one kind at a time"),
        (["inpaint", "{photos}/a.png", "{photos}/b.jpg"], "give a mask of 8 x 8 pixels"),
        (["sample", "--num=0"], "at least one sample"),
        (["sample", "--label", "3"], "is not a learner that makes observations of a given label"),
        (["sample", "--out={here}"], "give a new folder"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_leaves_no_folder(
    workdir, pictures, tmp_path, arguments, words
):
    np.savez(tmp_path / "table.npz", a=np.zeros(3))
    np.savez(tmp_path / "two.npz", a=np.zeros(3), b=np.zeros(3))
    np.savez(tmp_path / "objects.npz", layer0=np.array([{}], dtype=object))
    np.save(tmp_path / "wide.npy", np.zeros([2, 9, 9, 1], np.uint8))
    (tmp_path / "torn.png").write_bytes((pictures / "a.png").read_bytes()[:60])
    before = sorted(workdir.rglob("*"))
    given = [argument.format(here=tmp_path, photos=pictures) for argument in arguments]
    with pytest.raises(InputError, match=words) as error:
        verbs.work([given[0], str(workdir), *given[1:]], api.load)
    assert "\n" not in str(error.value)
    assert [path for path in sorted(workdir.rglob("*")) if path not in before] in (
        [],
        [workdir / "outputs"],
    )


def test_settings_of_somebody_else_are_data_if_asked(workdir, tmp_path):
    theirs = tmp_path / "theirs"
    shutil.copytree(workdir, theirs)
    do(theirs, "sample", "--num=1", "--data_only_settings")
    with (theirs / "operative.gin").open("a") as file:
        file.write("\nimport shutil\n")
    with pytest.raises(InputError, match=r"operative\.gin"):
        verbs.work(["sample", str(theirs), "--data_only_settings"], api.load)


def test_names_of_files_are_plain_and_none_is_written_twice():
    assert outputs.unique(["a b/c.png", "a_b/c.jpg", "../x.png", "é.png"]) == [
        *("a_b_c", "a_b_c_2", "_x", "é"),
    ]


def test_a_run_that_ended_before_it_drew_its_last_pictures_draws_them(
    tmp_path, monkeypatch, one_replica
):
    """As one that is killed between its last checkpoint and its last pictures."""
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    bindings = [b for b in SMALL if "pictures" not in b]
    bindings += ["experiment.Experiment.checkpoint_every = 1"]
    given = {"gin_bindings": bindings, "workdir": str(tmp_path), "gin_file": ["reproduce/demo.gin"]}
    with flagsaver.flagsaver(**given, export=False), pytest.MonkeyPatch.context() as patch:

        def die(history, pictures, step):
            if step == 2:
                raise KeyboardInterrupt

        patch.setattr(main.work.History, "images", die)
        with pytest.raises(KeyboardInterrupt):
            main.main(["tf-shortrun"])
        patch.undo()
        names = ("samples.png", "reconstructions.png")
        expected = [(tmp_path / name).read_bytes() for name in names]
        (tmp_path / names[0]).write_bytes(b"of an earlier step")
        (tmp_path / names[1]).unlink()
        main.main(["tf-shortrun"])
    assert [(tmp_path / name).read_bytes() for name in names] == expected
    assert not (tmp_path / "saved_model").exists()  # by --noexport


def test_every_verb_has_its_help(capsys):
    for verb in verbs.VERBS:
        with pytest.raises(SystemExit) as end:
            verbs.work([verb, "--help"], api.load)
        assert end.value.code == 0 and "run" in capsys.readouterr().out
        assert verb in main.__doc__


def test_a_dry_run_writes_nothing(tmp_path, monkeypatch, capsys, one_replica):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    with flagsaver.flagsaver(gin_file=["reproduce/demo.gin"], gin_bindings=SMALL, dry_run=True):
        main.main(["tf-shortrun"])
    assert "42,961 parameters" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
