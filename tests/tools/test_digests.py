"""Tests that digests are equal for equal runs, differ for another step size, and ignore names."""

import json
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tools import digests
from tools.code_paths import all_cases, code_path, distinct

CASES = all_cases(digests.ROOT)
# Settings of a small dense decoder on noise.
SMALL = [
    *("reproduce/mnist_step_size.gin", digests.NOISE),
    *("IMAGE_SHAPE = (28, 28, 1)", "short_run.ShortRun.num_steps = 2"),
]


def test_a_digest_depends_on_every_bit_and_not_on_the_order():
    a, b = np.arange(6, dtype=np.float32), np.ones((2, 3), np.int32)
    other = a.copy()
    other[3] = np.nextafter(other[3], 4)
    assert digests.digest([a, b]) == digests.digest([b, a])
    changed = ([other, b], [a.reshape(2, 3), b], [a, b.view(np.float32)], [a], [a, b, b])
    assert len({digests.digest(arrays) for arrays in ([a, b], *changed)}) == 6


def test_a_digest_depends_on_weights_and_optimizer_and_variables():
    model, optimizer = keras.Sequential([keras.layers.Dense(2)]), keras.optimizers.Adam(0.1)
    model.build([None, 3])
    optimizer.build(model.trainable_variables)
    state = {"model": model, "optimizer": optimizer, "sigma": tf.Variable(0.5)}
    # Kernel and bias; two moments of each; iterations and learning rate; sigma.
    assert len(digests.arrays_of(state)) == 2 + 4 + 2 + 1
    seen = {digests.digest(digests.arrays_of(state))}
    for variable in (*model.variables, *optimizer.variables, state["sigma"]):
        variable.assign_add(tf.ones(variable.shape, variable.dtype))
        seen.add(digests.digest(digests.arrays_of(state)))
    assert len(seen) == 1 + 8 + 1


def test_a_code_path_ignores_numbers_and_labels_only():
    pin = CASES["walkback_spiral"]
    same = ["walkback.Walkback.clip_norm = 3.0", "experiment.Experiment.variant = 'a'"]
    assert code_path([*pin, *same]) == code_path(pin)
    names = ("released", "fixed_noise", "online", "doubling")
    paths = {code_path(CASES[f"walkback_spiral+{name}"]) for name in names}
    assert len(paths | {code_path(pin)}) == 5


def test_every_pin_and_every_other_distinct_code_path_is_kept():
    kept = distinct(CASES).keys()
    assert {path.stem for path in digests.ROOT.glob("reproduce/*.gin")} <= kept
    assert {"mnist_step_size+warm", "binary_latent_mnist_ablations+vimco"} <= kept
    paths = {code_path(CASES[name]) for name in kept}  # an arm of another study may come first
    arms = ("abp_mnist_layers3", "short_run_mnist_layers3_warm")
    assert all(code_path(CASES[name]) in paths for name in arms)
    assert "mnist+paper" in kept  # as released, while the small scale is steady
    assert not {"abp_mnist_layers3_tuned", "short_run_mnist_layers3_rate1"} & kept
    assert not [name for name in kept if re.search(r"[/.]", name)]


def test_all_stages_have_updates_and_the_last_has_most():
    class Learner:
        def update_at(self, step):
            return "codes" if step <= 100 else "prior" if step <= 200 else "all"

    learner = Learner()
    digests._hasten(learner, 300)
    assert [learner.update_at(step) for step in range(1, 6)] == ["codes", "prior", *["all"] * 3]
    learner = Learner()
    digests._hasten(learner, 200)
    assert [learner.update_at(step) for step in range(1, 6)] == [*["codes"] * 2, *["prior"] * 3]


@pytest.mark.parametrize("pin", ["svhn", "walkback_svhn"])
def test_noise_replaces_missing_data_and_does_not_hide_mistakes(pin, tmp_path):
    files, nowhere = CASES[pin], f"tfds_images.tfds_images.data_dir = '{tmp_path}'"
    dataset = digests._load(files, [nowhere]).dataset
    assert (dataset.name, dataset.image_shape) == ("noise", (32, 32, 3))
    with pytest.raises(InputError, match="sede"):
        digests._load(files, [nowhere, "experiment.Experiment.sede = 1"])


def test_a_record_matches_the_same_run_and_not_another_step_size(tmp_path, monkeypatch, capsys):
    file, cases = tmp_path / "digests.json", {"a": SMALL}
    monkeypatch.setattr(digests, "all_cases", lambda root: cases)
    monkeypatch.setattr(digests, "distinct", lambda cases: cases)
    assert digests.main([f"--out={file}", "--jobs=2"]) == 0
    record = json.loads(file.read_text())
    assert {"hardware", "versions", "commit", "digests"} == set(record)
    first = record["digests"]["a"]
    assert re.fullmatch("[0-9a-f]{64}", first["sha256"])
    assert first["data"].startswith("noise ")
    # Three dense layers; two moments of each variable; iterations and learning rate; sigma.
    assert first["num_variables"] == 6 + 12 + 2 + 1
    cases["b"] = [*SMALL, "short_run.ShortRun.step_size = 0.00501"]
    record["digests"]["b"] = first
    file.write_text(json.dumps(record))
    capsys.readouterr()
    assert digests.main(["--check", str(file)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "1 of 2 digests differ"
    assert out[-2].startswith("b: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--check=nowhere.json"], "cannot be read"),
        (["--out=never.json", "--only=nothing*"], "nothing is called nothing*"),
        (["--out=never.json", "--jobs=0"], "choose at least one"),
        (["--gin_file=nowhere.gin"], "no gin file nowhere.gin"),
    ],
)
def test_mistakes_are_reported_in_one_line(arguments, words, capsys, monkeypatch):
    monkeypatch.setattr(digests, "_one_thread", lambda: None)  # TensorFlow has started already
    assert digests.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
