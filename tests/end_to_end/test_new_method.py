"""Tests a new method of one file and one pin: no other file mentions this method."""

import json
import re
from pathlib import Path

import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

from tf_shortrun import main
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric, explain
from tf_shortrun.training import workers
from tf_shortrun.training.experiment import Experiment
from toy_method import Bias, MeanPicture, halves

flags.FLAGS.mark_as_parsed()
PIN = str(Path(__file__).parents[1] / "helpers/toy_method.gin")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, one_replica):
    """Returns the folder of a run of 10 updates, resumed by a second call for 10 more."""
    folder = tmp_path_factory.mktemp("toy") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "strategy", lambda: one_replica)  # one strategy for all tests
        for bindings in ([], ["experiment.Experiment.num_steps = 20"]):
            with flagsaver.flagsaver(gin_file=[PIN], gin_bindings=bindings, workdir=str(folder)):
                main.main(["main"])
    return folder


def test_it_trains_and_resumes_and_has_its_own_metric(workdir):
    result = json.loads((workdir / "results.json").read_text())
    assert (result["method"], result["dataset"], result["steps"]) == ("mean", "halves", 20)
    # m after n updates is (1 - 2^-n) of the data; the mean of 1,000 samples has the standard
    # deviation 0.1 / sqrt(1000).
    assert result["metrics"]["bias"] < 0.004
    assert result["better"]["bias"] == "lower"
    assert result["protocol"]["bias"] == "Distance of means, per pixel."
    lines = [json.loads(line) for line in (workdir / "history.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 15, 20]
    # The error before update n is 2^-(n - 1), on half of the pixels, if the second call resumed.
    last = [0.5 * (0.5 * 2.0 ** -(n - 1)) ** 2 for n in range(16, 21)]
    assert lines[-1]["loss"] == pytest.approx(sum(last) / 5, rel=1e-3)


def test_the_report_has_its_picture_and_caption(workdir):
    page = (workdir / "report.html").read_text()
    assert "Dark on the left, light on the right." in page and 'alt="mean"' in page
    assert "Distance of means, per pixel." in page and "lower is better" in page


def test_it_is_exported(workdir):
    sample = tf.saved_model.load(str(workdir / "saved_model" / "1")).signatures["sample"]
    names = sorted(sample.structured_input_signature[1])
    assert names == ["n", "seed"]
    (images,) = sample(n=tf.constant(3), seed=tf.constant([1, 2])).values()
    assert images.shape == (3, 4, 4, 1)


def test_a_metric_without_a_description_is_refused_in_one_line():
    class Wordless(Bias):
        metrics = {"other": Metric("lower", "Something else.")}

    with pytest.raises(InputError, match=re.escape("Wordless found 'bias': add it to its metrics")):
        explain(Wordless(), {"bias": 1.0}, halves(2))


@pytest.mark.parametrize("field", ["evals", "pictures"])
def test_a_plain_function_is_refused_before_training(field):
    def measure(learner, dataset, seed):
        return {}

    fields = {"evals": [Bias()], "pictures": [MeanPicture(1)]} | {field: [measure]}
    with pytest.raises(InputError, match="measure is no (Eval|Picture)"):
        Experiment(
            method="mean", dataset=halves(2), make_learner=None, batch_size=1, num_steps=1, seed=0,
            scale="cpu", checkpoint_every=1, **fields,
        )  # fmt: skip
