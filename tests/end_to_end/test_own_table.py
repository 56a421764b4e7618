"""A table of one's own: trained on, scored, sampled and exported in its own units."""

import re
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import tf_shortrun as sr
from tf_shortrun.cli import config
from tf_shortrun.data import card
from tf_shortrun.use import verbs
from tf_shortrun.use.run import Run

ROOT = Path(__file__).parents[2]
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def hearts(tmp_path_factory):
    """Returns the file of 60 rows: ages of 20 to 80 and pressures that follow from them."""
    path = tmp_path_factory.mktemp("table") / "hearts.csv"
    age = RNG.uniform(20, 80, 60).round(1)
    pressure = np.where(np.arange(60) < 50, 100 + age, 260 - age).round(1)
    frame = pd.DataFrame({"age": age, "pressure": pressure, "sick": (np.arange(60) >= 50) * 1})
    frame.to_csv(path, index=False)
    return str(path)


@pytest.fixture(scope="module")
def run(hearts):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.layers.Dense(8, "gelu"), keras.layers.Dense(2)])
    model = sr.Decoder(network, [1], sigma=0.3)
    learner = sr.LatentLikelihood(model, sr.ShortRun(5, 0.01), keras.optimizers.Adam(1e-2))
    return sr.fit(learner, sr.table(hearts), num_steps=100, batch_size=25)


def rows_of(path):
    return pd.read_csv(path)[["age", "pressure"]].to_numpy()


def test_raw_rows_are_scored_by_the_export_as_by_the_run(run, hearts, tmp_path):
    served = tf.saved_model.load(run.export(tmp_path)).signatures
    rows = rows_of(hearts)
    seeds = np.tile([[3, 0]], [60, 1]).astype(np.int32)
    raw = served["score_rows"](rows=rows.astype(np.float32), seed=seeds)["scores"]
    scaled = run.preparation(rows)
    expected = served["score_each"](image=scaled, seed=seeds)["scores"]
    np.testing.assert_allclose(raw, expected, rtol=1e-3, atol=1e-3)
    made = served["sample_rows"](seed=seeds)["rows"]
    expected = run.preparation.back(served["sample_each"](seed=seeds)["images"])
    np.testing.assert_allclose(made, expected, rtol=1e-4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="rows must be finite"):
        served["score_rows"](rows=np.full([60, 2], np.inf, np.float32), seed=seeds)
    text = next(tmp_path.glob("saved_model/1/model_card.md")).read_text()
    assert "rows: 2 columns, scaled to [0, 1]" in text and "`score_rows`" in text


def test_verbs_read_and_write_the_units_of_the_table(run, hearts, tmp_path):
    def call(*arguments):
        verbs.work([arguments[0], "runs/hearts", *arguments[1:]], lambda *_: run)

    call("score", hearts, "--out", str(tmp_path / "scores"))
    scores = pd.read_csv(tmp_path / "scores/scores.csv")
    expected = run.score(run.preparation(rows_of(hearts)))
    np.testing.assert_allclose(scores["score"], expected, rtol=1e-5)
    call("sample", "--num=20", "--out", str(tmp_path / "samples"))
    made = pd.read_csv(tmp_path / "samples/rows.csv")
    assert list(made) == ["name", "age", "pressure"] and made["age"].between(-100, 200).all()
    np.testing.assert_allclose(
        made[["age", "pressure"]], run.preparation.back(run.sample(20)), rtol=1e-6
    )
    # What was written is read again, by its names.
    call("score", str(tmp_path / "samples/rows.csv"), "--out", str(tmp_path / "again"))


def test_raw_rows_in_place_of_observations_are_refused(run, hearts):
    with pytest.raises(sr.InputError, match="run.preparation"):
        run.score(rows_of(hearts))


def test_the_command_of_the_guide_builds(hearts, one_replica):
    text = (ROOT / "docs/guide/own_images.md").read_text()
    (line,) = re.findall(r"tf-shortrun --gin_file=gin/own_table.gin (.*)", text)
    bindings = re.findall(r"--gin_bindings=(?:\"(.*?)\"|(\S+))", line)
    given = [a or b for a, b in bindings]
    given = [b.replace("hearts.csv", hearts).replace("13", "2") for b in given]
    experiment = config.load(["gin/own_table.gin"], given)
    with config.explained():
        learner = experiment.build(one_replica)
    config.check_used()
    assert experiment.dataset.name == "hearts" and tuple(learner.image_shape) == (2,)
    with pytest.raises(sr.InputError, match="the model makes .3,. but hearts has shape .2,."):
        config.load(["gin/own_table.gin"], [given[0], "NUM_FEATURES = 3"]).build(one_replica)


def test_a_run_that_is_loaded_knows_the_columns(run, hearts, tmp_path):
    card.write(tmp_path, sr.table(hearts))
    known = card.stand_in(tmp_path)
    loaded = Run(run.learner, run._origin.__class__(known.name, known.preparation))
    np.testing.assert_array_equal(
        loaded.preparation(rows_of(hearts)), run.preparation(rows_of(hearts))
    )
