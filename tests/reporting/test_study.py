"""Studies: what their files say, which runs are missing, what their tables say."""

import dataclasses
import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prepared import prepare
from result_fields import FIELDS, with_metrics
from tf_shortrun.cli import config
from tf_shortrun.core.errors import InputError
from tf_shortrun.data import tfds_images
from tf_shortrun.reporting.results import Result
from tf_shortrun.reporting.study import Study, arm, named, read
from tools import study as runner
from tools import study_table

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.stem for path in ROOT.glob("reproduce/studies/*.py"))
ARMS = {"short_run_a": ("x.gin", "N = 1"), "vae_a": ("y.gin",)}


def runs(*values, metric="mse"):
    terms = {"parameters/model": 30, "parameters/encoder": 12, "flops_per_update": 1e11}
    return [
        Result(**FIELDS | {"seed": seed} | with_metrics({metric: value, "chain_steps": 25} | terms))
        for seed, value in enumerate(values)
    ]


def test_arithmetic_is_that_of_every_stage():
    terms = {"flops_per_update": 1e11, "first_updates": 20, "flops_per_second_update": 1e9}
    plain = Result(**FIELDS | {"steps": 60} | with_metrics({"flops_per_update": 1e11}))
    staged = Result(**FIELDS | {"steps": 60} | with_metrics(terms))
    stopped = Result(**FIELDS | {"steps": 15} | with_metrics(terms))
    totals = [study_table.total_flops(run) for run in (plain, staged, stopped)]
    assert totals == [60e11, 20e11 + 40e9, 15e11]


def test_a_run_that_diverged_is_counted():
    lost = dataclasses.replace(runs(5)[0], status="diverged", **with_metrics({}))
    sides = {"short_run_a": [*runs(1, 2, 3), lost], "vae_a": runs(7, 8, 9)}
    study = Study("t", ARMS, (1,), shown=("mse",))
    first = study_table.table(study, sides).iloc[0].tolist()
    assert first[:2] == ["2 (1 to 3)", "3, 1 diverged"]
    first = study_table.table(study, sides | {"short_run_a": [lost]}).iloc[0].tolist()
    assert first[:2] == ["", "0, 1 diverged"]


def test_an_arm_is_data_method_network_and_changes():
    assert arm("vae", "mnist", 1) == (
        "vae_mnist_layers1",
        ("gin/study/mnist.gin", "gin/latent/vae.gin", "gin/study/one_layer.gin"),
    )
    last = ("N = 1", "experiment.Experiment.variant = 'k5'")
    assert last[1] == named("k5")
    assert arm("vae", "mnist", 3, "N = 1", variant="k5", data=("a.gin", "B = 2")) == (
        "vae_mnist_k5",
        ("a.gin", "B = 2", "gin/latent/vae.gin", "gin/study/three_layers.gin", *last),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no study {path}: did you mean other.py?"),
        ("", "{path} defines no study: write STUDY = Study(...)"),
        ("STUDY = {}", "{path} defines no study"),
        ("STUDY = 1 /", "the study {path} cannot be run, correct it: invalid syntax"),
        ("STUDY = 1 / 0", "{path} cannot be run, correct it: division by zero"),
        ("assert False", "{path} cannot be run, correct it: AssertionError"),
        ("raise ValueError('more\\nthan a line')", "{path} cannot be run, correct it: more"),
        (
            "from tf_shortrun.reporting.study import Study\n"
            "STUDY = Study('t', {'a': ()}, (1,), claims=['mse: a < b'])",
            "'b' is no arm of this study: there are a",
        ),
    ],
)
def test_a_file_that_is_no_study_ends_in_one_line(text, words, tmp_path, capsys):
    path = tmp_path / "mine.py"
    (tmp_path / "other.py").touch()
    if text is not None:
        path.write_text(text)
    assert runner.main([str(path), "--list"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words.format(path=path) in line


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"claims": ["mse short_run_a < vae_a"]}, "metric: arm < arm"),
        ({"claims": ["mse: short_run_a < other"]}, "'other' is no arm"),
        ({"quoted": {"other": ".01"}}, "'other' is no arm"),
    ],
)
def test_mistakes_are_told(fields, words):
    with pytest.raises(InputError, match=re.escape(words)):
        Study(**{"title": "t", "arms": ARMS, "seeds": (1,)} | fields)


def test_missing_runs_come_in_rounds(tmp_path):
    study = Study(title="t", arms=ARMS, seeds=(1, 2))
    names = [cell.name for cell in runner.missing(study, tmp_path)]
    assert names == ["short_run_a_1", "vae_a_1", "short_run_a_2", "vae_a_2"]
    (tmp_path / "vae_a_1.json").touch()
    left = runner.missing(study, tmp_path)
    assert [cell.name for cell in left] == ["short_run_a_1", "short_run_a_2", "vae_a_2"]
    assert left[0].command(Path("runs")) == [
        *("python", "-m", "tf_shortrun.main", "--gin_file=x.gin", "--gin_bindings=N = 1"),
        *("--gin_bindings=experiment.Experiment.seed = 1", "--workdir=runs/short_run_a_1"),
        "--noexport",
    ]


def test_a_study_that_was_told_to_end_begins_no_other_run(tmp_path, monkeypatch):
    monkeypatch.setattr(runner.children, "stopped", lambda: True)
    cells = runner.missing(Study(title="t", arms=ARMS, seeds=(1, 2)), tmp_path)
    assert runner.run_all(cells, tmp_path / "runs", 1) == [] and not list(tmp_path.iterdir())


def test_the_table_has_mean_range_terms_and_verdict(tmp_path):
    claims, quoted = ["mse: short_run_a < vae_a"], {"vae_a": ".02 (somebody)"}
    study = Study(title="On a", arms=ARMS, seeds=(1, 2), claims=claims, quoted=quoted)
    sides = {"short_run_a": runs(0.1, 0.3), "vae_a": []}
    text = study_table.markdown({"a": study}, sides)
    assert "## On a ([pictures](studies.html#a))" in text.splitlines()
    row = "| short_run_a | 0.2 (0.1 to 0.3) | 2 | 30 + 12 | 10 | 2 | 1 | 25 |  |"
    assert row in text.splitlines()
    assert "| vae_a |  | 0 (NOT RUN) |  |  |  |  |  | .02 (somebody) |" in text.splitlines()
    assert "- mse: short_run_a < vae_a: **NOT RUN**" in text.splitlines()
    both = study_table.verdicts(study, {"short_run_a": runs(1, 2, 3), "vae_a": runs(7, 8, 9)})
    assert both == ["mse: short_run_a < vae_a: **SHOWN** (p = .05, corrected .05)"]
    ahead = {"short_run_a": runs(7, 8, 9, 10, 11), "vae_a": runs(1, 2, 3, 4, 5)}
    assert study_table.verdicts(study, ahead)[0].endswith("**NOT SHOWN** (p = 1, corrected 1)")
    (tmp_path / "short_run_a_0_samples.png").touch()
    page = study_table.html({"a": study}, sides, tmp_path)
    assert '<h2 id="a">On a</h2>' in page
    assert "<td>0.2 (0.1 to 0.3)</td>" in page
    assert re.findall(r'src="(.*?)"', page) == [f"{tmp_path.name}/short_run_a_0_samples.png"]


def test_a_metric_that_an_arm_does_not_have_is_left_empty_and_one_of_no_arm_refused():
    study = Study(title="On a", arms=ARMS, seeds=(1,), shown=("mse", "nll"))
    sides = {"short_run_a": runs(0.1), "vae_a": runs(0.3)}
    with pytest.raises(InputError, match="no run of 'On a' has a metric 'nll'"):
        study_table.table(study, sides)
    sides["vae_a"][0].metrics["nll"] = 7.0
    assert list(study_table.table(study, sides)["nll"]) == ["", "7"]


def without_numbers(settings):
    """What decides which code an arm runs."""
    return tuple(re.sub(r"= [-+.e\d]+$", "=", s) for s in settings if "Experiment.variant" not in s)


@pytest.mark.parametrize("name", STUDIES)
def test_every_arm_builds_and_gives_the_results_it_is_named_for(
    name, tmp_path, monkeypatch, one_replica
):
    monkeypatch.setattr(tfds_images.tfds, "builder", functools.cache(tfds_images.tfds.builder))
    monkeypatch.setattr(tfds_images, "_read", functools.cache(tfds_images._read))
    study = read(ROOT / f"reproduce/studies/{name}.py")
    data = {d: prepare(d, tmp_path) for d in ("mnist", "fashion_mnist", "cifar10")}
    for i in range(8):
        pixels = np.random.default_rng(i).integers(0, 256, (109, 89, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i:06d}.png")
    built = set()  # of arms that differ in a number, one
    for name, settings in study.arms.items():
        files = [s for s in settings if "=" not in s]
        sizes = ("num_train", "Experiment.batch_size")
        bindings = [s for s in settings if "=" in s and not any(size in s for size in sizes)]
        bindings += ["experiment.Experiment.batch_size = 2"]
        from_tfds = any(f"gin/study/{d}.gin" in files for d in (*data, "tuning"))
        if from_tfds or "mnist_step_size" in files[0]:
            bindings += [f"tfds_images.tfds_images.data_dir = '{tmp_path}'"]
        few = ("mnist", "ten_times", "ten_times_inception")
        if from_tfds and any(f"gin/study/{d}.gin" in files for d in few):
            bindings += ["tfds_images.tfds_images.num_train = 4"]
        if "gin/study/ten_times_rates.gin" in files:
            bindings += ["tfds_images.tfds_images.num_validation = 2"]
        if "gin/study/tuning.gin" in files:
            bindings += [
                f"tfds_images.tfds_images.num_{n}" for n in ("train = 4", "validation = 2")
            ]
        if {"gin/study/celeba.gin", "gin/study/side128.gin"} & {*files}:
            small = (f"path = '{tmp_path}'", "num_train = 4", "num_test = 4")
            bindings += [f"folder.folder.{binding}" for binding in small]
        experiment = config.load(files, bindings)
        if without_numbers(settings) not in built:
            experiment.build(one_replica)
            config.check_used()
        built.add(without_numbers(settings))
        parts = [experiment.method, experiment.dataset.name, experiment.variant]
        assert "_".join(filter(None, parts)) == name


def test_a_study_runs_keeps_its_results_and_is_done(tmp_path, monkeypatch, capsys):
    """Two seeds of the smallest pin, two at a time."""
    (tmp_path / "reproduce/results").mkdir(parents=True)
    settings = (
        *("reproduce/vae_digits.gin", "experiment.Experiment.num_steps = 2", "FEATURES = 8"),
        *("experiment.Experiment.variant = 'brief'", "classifier.classifier.num_steps = 20"),
        *("reconstruction.Reconstruction.num_images = 20",),
        *("quality.FeatureDistances.num_samples = 100",),
    )
    text = (
        "from tf_shortrun.reporting.study import Study\n"
        f"STUDY = Study(title='t', seeds=(1, 2), arms={{'vae_digits_brief': {settings}}})\n"
    )
    (tmp_path / "brief.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TF_SHORTRUN_CACHE", str(tmp_path))

    def call(*more):
        code = runner.main(["brief.py", "--jobs=2", *more])
        return code, *capsys.readouterr()

    assert call("--list")[1].count("tf_shortrun.main") == 2
    code, _, words = call()
    assert code == 0, words
    kept = tmp_path / "reproduce/results/latent"
    assert [json.loads((kept / f"vae_digits_brief_{s}.json").read_text())["seed"] for s in (1, 2)]
    assert (kept / "vae_digits_brief_1_samples.png").exists()
    assert not (kept / "vae_digits_brief_2_samples.png").exists()
    assert call("--list")[1].strip() == ""
    rate = "keras.optimizers.schedules.PiecewiseConstantDecay.values = (1e30, 1.0, 1.0, 1.0)"
    wild = text.replace("num_steps = 2'", f"num_steps = 5', '{rate}'").replace("(1, 2)", "(3,)")
    (tmp_path / "brief.py").write_text(wild)
    code, _, words = call()
    assert code == 0, words
    lost = json.loads((kept / "vae_digits_brief_3.json").read_text())
    assert (lost["status"], lost["metrics"], lost["steps"]) == (
        "diverged",
        {},
        2,
    )  # the update, not the line
    assert call("--list")[1].strip() == ""
    (tmp_path / "brief.py").write_text(text.replace("num_steps = 2", "num_steps = 0"))
    (kept / "vae_digits_brief_2.json").unlink()
    code, _, words = call()
    assert code == 2 and "vae_digits_brief_2 ended with code 2: see" in words
