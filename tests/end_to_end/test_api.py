"""The public face: what `import tf_shortrun as sr` gives."""

import dataclasses
import inspect
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

import tf_shortrun as sr
from tf_shortrun import main
from tf_shortrun.core import noise
from tf_shortrun.data.dataset import from_arrays
from tf_shortrun.evals.reconstruction import Reconstruction
from tf_shortrun.training import rows

flags.FLAGS.mark_as_parsed()
ROOT = Path(__file__).parents[2]
BYTES = np.random.default_rng(0).integers(0, 256, (130, 4, 4, 1), dtype=np.uint8)
IMAGES = BYTES / 127.5 - 1


def make_learner():
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(8, "tanh"),
        keras.layers.Dense(16),
        keras.layers.Reshape((4, 4, 1)),
    ]
    model = sr.Decoder(keras.Sequential(layers), latent_widths=[2], sigma=0.3)
    return sr.LatentLikelihood(model, sr.ShortRun(3, 0.01), keras.optimizers.Adam(1e-2))


def weights(run):
    return [v.numpy() for v in run.learner.model.variables]


@pytest.fixture(scope="module")
def run():
    return sr.fit(make_learner(), BYTES, num_steps=3)


def test_every_name_is_there_and_documented():
    assert dir(sr) == sr.__all__ == sorted(sr.__all__)
    for name in set(sr.__all__) - {"__version__"}:
        assert inspect.getdoc(getattr(sr, name)), name
    with pytest.raises(AttributeError, match="has no attribute 'fitt'"):
        _ = sr.fitt


@pytest.mark.parametrize(
    "data",
    [
        IMAGES,
        sr.Dataset("mine", sr.Split(BYTES, np.zeros(130, np.int32)), sr.Split(BYTES, BYTES)),
        tf.data.Dataset.from_tensor_slices(BYTES),
        tf.data.Dataset.from_tensor_slices((IMAGES, np.zeros(130))).batch(64),
    ],
    ids=["floats", "Dataset", "examples", "batches"],
)
def test_the_same_images_in_any_form_teach_the_same(run, data):
    for a, b in zip(weights(run), weights(sr.fit(make_learner(), data, num_steps=3)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_the_best_state_on_examples_that_are_held_out_is_returned(tmp_path):
    judge = Reconstruction(batch_size=10, times=(1,))
    run = sr.fit(
        make_learner(), BYTES, num_steps=40, workdir=tmp_path, validation=judge, patience=3
    )
    errors = [row["mse"] for row in rows.read(tmp_path / "validation.jsonl")]
    data = dataclasses.replace(from_arrays(BYTES, (4, 4, 1)), num_held_out=13).held_out()
    seed = noise.stream(noise.make_seed(0), "validation")
    assert judge(run.learner, data, seed)["mse"] == pytest.approx(min(errors), rel=1e-5)
    assert len(errors) - 1 - np.argmin(errors) <= 3


def test_with_a_workdir_it_goes_on(tmp_path):
    whole = sr.fit(make_learner(), BYTES, num_steps=6, seed=4)
    sr.fit(make_learner(), BYTES, num_steps=2, seed=4, workdir=tmp_path)
    pieces = sr.fit(make_learner(), BYTES, num_steps=6, seed=4, workdir=tmp_path)
    for a, b in zip(weights(whole), weights(pieces), strict=True):
        np.testing.assert_array_equal(a, b)


def test_each_line_of_the_history_is_told(tmp_path):
    told = []
    sr.fit(make_learner(), BYTES, num_steps=2, workdir=tmp_path, on_line=lambda *a: told.append(a))
    sr.fit(make_learner(), BYTES, num_steps=3, workdir=tmp_path, on_line=lambda *a: told.append(a))
    lines = map(json.loads, (tmp_path / "history.jsonl").read_text().splitlines())
    assert told == [(line.pop("step"), line) for line in lines]
    assert [step for step, _ in told] == [1, 2, 3] and told[0][1]["mse"] > 0


def test_a_tracker_that_fails_ends_the_training_which_can_go_on(tmp_path):
    def fail(step, numbers):
        if step == 3:
            raise ConnectionError("no tracker")

    with pytest.raises(ConnectionError, match="no tracker"):
        sr.fit(make_learner(), BYTES, num_steps=4, seed=4, workdir=tmp_path, on_line=fail)
    pieces = sr.fit(make_learner(), BYTES, num_steps=4, seed=4, workdir=tmp_path)
    whole = sr.fit(make_learner(), BYTES, num_steps=4, seed=4)
    for a, b in zip(weights(whole), weights(pieces), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_run_does_what_its_learner_does(run):
    """In parts of 100 examples, each with a seed of its own."""
    assert run.sample(130, seed=3).shape == (130, 4, 4, 1)
    np.testing.assert_array_equal(run.sample(130, seed=3), run.sample(130, seed=3))
    assert not np.array_equal(run.sample(5, seed=3), run.sample(5, seed=4))
    np.testing.assert_array_equal(run.sample(5, seed=np.int64(3)), run.sample(5, seed=3))
    (latents,) = run.encode(BYTES)
    assert latents.shape == (130, 2)
    np.testing.assert_allclose(run.decode([latents]), run.reconstruct(BYTES), atol=1e-5)
    np.testing.assert_allclose(run.score(BYTES), run.score(IMAGES), rtol=1e-5)
    batch = {"image": tf.constant(IMAGES[100:], tf.float32)}
    expected = run.learner.score(batch, noise.fold(noise.make_seed(0), 1))
    np.testing.assert_allclose(run.score(BYTES)[100:], expected, rtol=1e-5)


def test_what_is_hidden_is_filled_in_and_what_is_seen_is_kept(run):
    mask = np.broadcast_to(np.arange(4)[:, None, None] < 2, (5, 4, 4, 1))
    hidden = np.where(mask, IMAGES[:5], np.nan)
    made = run.inpaint(hidden, mask)
    np.testing.assert_allclose(made[:, :2], IMAGES[:5, :2], atol=1e-6)
    assert np.isfinite(made).all() and not np.allclose(made[:, 2:], IMAGES[:5, 2:])


def test_it_is_exported(run, tmp_path):
    folder = run.export(tmp_path / "new")
    assert folder == (tmp_path / "new/saved_model/1").resolve()
    served = tf.saved_model.load(str(folder)).signatures["sample"]
    assert served(seed=noise.make_seed(1), n=tf.constant(2))["images"].shape == (2, 4, 4, 1)


def test_an_array_and_an_integer_do_for_inference():
    model = make_learner().model
    infer = sr.ShortRun(3, 0.01)
    plain = infer(model, BYTES[:5], seed=7).latents
    full = infer(model, {"image": tf.constant(IMAGES[:5], tf.float32)}, noise.make_seed(7)).latents
    np.testing.assert_allclose(plain[0], full[0], atol=1e-5)
    inside = tf.function(lambda x: infer(model, x, seed=7).latents)
    np.testing.assert_allclose(inside(tf.constant(BYTES[:5]))[0], full[0], atol=1e-5)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda run: run.encode(IMAGES[0]), r"no batch axis: give \[N, 4, 4, 1\]"),
        (lambda run: run.score(BYTES[:, :3]), r"shape \(130, 3, 4, 1\): give \[N, 4, 4, 1\]"),
        (lambda run: run.encode(BYTES[:0]), r"shape \(0, 4, 4, 1\)"),
        (lambda run: run.reconstruct(BYTES * 1.0), r"not on \[-1, 1\]"),
        (lambda run: run.reconstruct(IMAGES * np.nan), "have NaN"),
        (lambda run: run.sample(0), "num is 0"),
        (lambda run: run.inpaint(IMAGES[:2], np.ones([3, 4, 1])), r"give \[2, 4, 4, 1\]"),
        (lambda run: run.inpaint(IMAGES[0], np.ones([4, 4, 1])), r"needs images \[N, H, W, C\]"),
        (lambda run: sr.fit(run.learner, BYTES, num_steps=0), "num_steps is 0"),
        (lambda run: sr.fit(run.learner, BYTES[:, :3], num_steps=1), r"give \[N, 4, 4, 1\]"),
        (lambda run: sr.fit(run.learner, BYTES * 2.0, num_steps=1), "not on"),
        (lambda run: sr.fit(run.learner, endless(), num_steps=1), "no end"),
        (lambda run: sr.load("nowhere"), "nowhere has no operative.gin"),
    ],
)
def test_mistakes_are_one_line(run, use, words):
    with pytest.raises(sr.InputError, match=words) as error:
        use(run)
    assert "\n" not in str(error.value)


def endless():
    return tf.data.Dataset.from_tensor_slices(BYTES).repeat()


def test_a_run_of_the_command_is_loaded_without_its_gin_file(tmp_path, monkeypatch, one_replica):
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)
    pin = (ROOT / "reproduce" / "gsn_spiral.gin").read_text()
    (tmp_path / "pin.gin").write_text(pin.replace("include 'gin/evals/plane.gin'", ""))
    bindings = ("num_steps = 2", "batch_size = 50", "evals = ()", "pictures = ()")
    given = [*(f"experiment.Experiment.{b}" for b in bindings), "networks.dense.units = (8,)"]
    workdir = tmp_path / "run"
    files = {"gin_file": [str(tmp_path / "pin.gin")], "workdir": str(workdir)}
    with flagsaver.flagsaver(**files, gin_bindings=given):
        main.main(["main"])
    (tmp_path / "pin.gin").unlink()
    one, two = sr.load(workdir), sr.load(str(workdir))
    np.testing.assert_array_equal(one.sample(3, seed=5), two.sample(3, seed=5))
    assert one.sample(3).shape == (3, 2) and hasattr(one.learner, "walk")
    with pytest.raises(sr.InputError, match="leave encode out, or choose another method"):
        one.encode(np.zeros([3, 2]))
    for file in (workdir / "checkpoints").iterdir():
        file.unlink()
    with pytest.raises(sr.InputError, match="no checkpoint"):
        sr.load(workdir)
