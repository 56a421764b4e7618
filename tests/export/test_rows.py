"""Signatures that a server can put together: a row depends on its own seed and inputs alone."""

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from exported import SHAPE, ask, close, file, masks, pictures, run_cc
from serving_double import signature_defs
from tf_shortrun.core import latent_paths
from tf_shortrun.data import decoding
from tf_shortrun.data.preparation import Preparation

SEEDS = np.int32([[3, 0], [-7, 5], [2**31 - 1, 1]])


def files(num, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, [num, 9, 11, 3], np.uint8)
    kinds = ("PNG", "JPEG")
    return np.array([file(x, kinds[i % 2]) for i, x in enumerate(pixels)], object)


def mask_files(num):
    return np.array([file(np.uint8(255) * mask[..., 0]) for mask in masks(num)], object)


INPUTS = {
    "seed": SEEDS,
    "image": pictures(3),
    "start": pictures(3),
    "end": pictures(4)[1:],
    "mask": masks(3),
    "position": np.float32([0.0, 0.3, 1.0]),
    "layer0": np.random.default_rng(0).normal(size=[3, 3]).astype(np.float32),
    "image_bytes": files(3),
    "start_bytes": files(3),
    "end_bytes": files(3, 1),
    "mask_bytes": mask_files(3),
}
NAMES = ("sample", "reconstruct", "inpaint", "score")
ROWS = [f"{name}_each" for name in NAMES] + ["encode", "decode", "interpolate"]
ROWS += [f"{name}_bytes" for name in (*NAMES, "encode", "decode", "interpolate")]


def inputs_of(served, signature):
    specs = served.signatures[signature].structured_input_signature[1]
    return {name: INPUTS[name] for name in specs}


def call(served, signature, inputs):
    """Returns the outputs of a signature as arrays, files as pixels."""
    outputs = served.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
    return {name: pixels_of(value.numpy()) for name, value in outputs.items()}


def pixels_of(value):
    if value.dtype != object:
        return value
    return np.stack([np.asarray(Image.open(io.BytesIO(content))) for content in value.ravel()])


@pytest.fixture(scope="module")
def answers(served):
    return {name: call(served, name, inputs_of(served, name)) for name in ROWS}


def test_every_signature_but_those_of_one_seed_has_a_batch_axis_throughout(served):
    definitions = signature_defs(served.folder)
    assert set(definitions) == {*ROWS, *NAMES, "serving_default"}
    for name in ROWS:
        for info in (*definitions[name].inputs.values(), *definitions[name].outputs.values()):
            assert info.tensor_shape.dim[0].size == -1


@pytest.mark.parametrize("name", ROWS)
def test_a_batch_of_three_is_three_calls(served, answers, name):
    inputs = inputs_of(served, name)
    for row in range(3):
        alone = call(served, name, {key: x[row : row + 1] for key, x in inputs.items()})
        for key, value in answers[name].items():
            together = value[row : row + 1].astype(float)
            # Files have whole numbers, which rounding may move by one.
            assert np.abs(together - alone[key]).max() < (1.5 if "bytes" in key else 1e-5)


@pytest.mark.parametrize("name", [name for name in ROWS if "decode" not in name])
def test_another_seed_changes_its_row_alone(served, answers, name):
    other = SEEDS + np.int32([[0, 0], [9, 9], [0, 0]])
    changed = call(served, name, inputs_of(served, name) | {"seed": other})
    for key, value in answers[name].items():
        moved = np.abs(value.astype(float) - changed[key]).reshape(3, -1).max(axis=1)
        rounding = 1 if "bytes" in key else 1e-5
        assert moved[0] <= rounding and moved[2] <= rounding and moved[1] > 3 * rounding


def test_a_row_is_what_the_learner_makes_with_its_seed(served, answers):
    for row, seed in enumerate(SEEDS):
        batch = {"image": INPUTS["image"][row : row + 1]}
        learner, first = served.learner, slice(row, row + 1)
        expected = {
            "sample_each": learner.sample(1, seed),
            "reconstruct_each": learner.reconstruct(batch, seed),
            "score_each": learner.score(batch, seed),
            "encode": learner.infer(batch, seed)[0],
            "decode": learner.decode([INPUTS["layer0"][first]]),
        }
        for name, value in expected.items():
            (made,) = answers[name].values()
            assert close(made[first], value), name


def test_interpolation_follows_the_great_circle_between_the_codes(served):
    x, y = pictures(2)
    seeds = np.repeat(SEEDS[:1], 5, axis=0)
    inputs = {"position": np.linspace(0, 1, 5, dtype=np.float32), "seed": seeds}
    inputs |= {"start": np.stack([x] * 5), "end": np.stack([y] * 5)}
    made = call(served, "interpolate", inputs)["images"]
    ends = [served.learner.infer({"image": end[None]}, SEEDS[0]) for end in (x, y)]
    expected = served.learner.decode(latent_paths.great_circle(*ends, 5))
    assert close(made, expected) and np.abs(made[0] - made[4]).max() > 0.01


def test_observed_pixels_of_files_are_kept(served, answers):
    seen, made = masks(3)[..., 0], answers["inpaint_bytes"]["images_bytes"]
    for row, content in enumerate(INPUTS["image_bytes"]):
        prepared, _ = Preparation(*SHAPE)(decoding.header(content))
        assert (made[row][seen[row]] == prepared[..., 0][seen[row]]).all()


LARGE = np.zeros([4097, 2], np.int32)
REFUSED = {
    "a seed too few": ("reconstruct_each", {"seed": SEEDS[:2]}, "the shape of seed must be [B 2]"),
    "one seed": ("score_each", {"seed": SEEDS[0]}, "give two numbers for each row; it is] [[2]]"),
    "a seed too few to encode": ("encode", {"seed": SEEDS[:1]}, "the shape of seed must be [B 2]"),
    "no rows": ("sample_each", {"seed": SEEDS[:0]}, "the number of rows must be 1 to 4096"),
    "too many rows": ("sample_each", {"seed": LARGE}, "the number of rows must be 1 to 4096"),
    "NaN": ("encode", {"image": pictures(3) * np.nan}, "image must be finite: remove NaN"),
    "bytes": ("interpolate", {"start": pictures(3) * 255}, "start must lie in [-1, 1]"),
    "an end too few": ("interpolate", {"end": pictures(2)}, "the shape of end must be [B 4 6 1]"),
    "beyond the end": ("interpolate", {"position": np.float32([0, 1, 2])}, "must lie in [0, 1]"),
    "wide latents": ("decode", {"layer0": np.zeros([3, 4])}, "the shape of layer0 must be [B 3]"),
    "NaN latents": ("decode", {"layer0": np.full([1, 3], np.nan)}, "layer0 must be finite"),
    "no files": ("score_bytes", {"image_bytes": files(1)[:0]}, "number of images must be 1 to"),
    "a file": ("score_bytes", {"image_bytes": np.array(b"x", object)}, "give a list of files"),
    "a file too few": ("encode_bytes", {"image_bytes": files(2)}, "the shape of seed must be"),
    "no picture": ("encode_bytes", {"image_bytes": np.array([b"x"] * 3, object)}, "PNG or JPEG"),
    "a large mask": ("inpaint_bytes", {"mask_bytes": files(3)}, "a picture of 4 x 6 pixels"),
}


@pytest.fixture(scope="module")
def cc_answers(served):
    """Returns the answers of the C++ loader to good calls, and to those of `REFUSED`, by name."""
    good = {name: inputs_of(served, name) for name in ROWS}
    wrong = {case: good[name] | bad for case, (name, bad, _) in REFUSED.items()}
    names = [*ROWS, *(name for name, _, _ in REFUSED.values())]
    calls = zip(names, [*good.values(), *wrong.values()], strict=True)
    asked = [ask(served.folder, name, **inputs) for name, inputs in calls]
    return dict(zip([*good, *wrong], run_cc(served.folder, asked), strict=True))


@pytest.mark.parametrize("name", ROWS)
def test_the_cc_loader_gives_the_numbers_of_python(answers, cc_answers, name):
    assert set(cc_answers[name]) == set(answers[name])
    for key, value in cc_answers[name].items():
        if "bytes" in key:
            made = pixels_of(np.array([base64.b64decode(text) for text in value], object))
            assert np.abs(made.astype(float) - answers[name][key]).max() <= 1
        else:
            assert close(value, answers[name][key])


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_rows_are_refused_with_a_reason(cc_answers, case):
    error = cc_answers[case]["error"]
    assert error.startswith("code 3:") and REFUSED[case][2] in error


def test_saved_model_cli_runs_a_signature(served, answers, tmp_path):
    np.save(tmp_path / "image.npy", INPUTS["image"])
    np.save(tmp_path / "seed.npy", SEEDS)
    program = Path(sys.executable).parent / "saved_model_cli"
    inputs = f"image={tmp_path}/image.npy;seed={tmp_path}/seed.npy"
    options = ["--tag_set=serve", "--signature_def=reconstruct_each", f"--inputs={inputs}"]
    command = [program, "run", f"--dir={served.folder}", *options, f"--outdir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert close(np.load(tmp_path / "images.npy"), answers["reconstruct_each"]["images"])
