"""Runs a SavedModel with the C++ loader of TensorFlow Serving. Python TF is not imported.

    python tests/helpers/cc_loader.py FOLDER < requests.json > answers.json

A request is {"fetch": ["op:0", ...], "feeds": {"op:0": ["int32", shape, numbers], ...}}; its
answer is {"values": [nested lists, ...]} or {"error": "code N: text"}, where 3 is InvalidArgument.
Strings are in base64.
The C API (tensorflow/c/c_api.h) is part of the pip wheel of TensorFlow. This program calls only the
functions that a request needs.
"""

import base64
import ctypes
import importlib.util
import json
import sys
from ctypes import POINTER, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path

import numpy as np

_TYPES = {"float32": 1, "int32": 3, "bool": 10}  # TF_FLOAT, TF_INT32, TF_BOOL
_STRING, _STRING_BYTES = 7, 24  # TF_STRING, sizeof(TF_TString)


class _Output(ctypes.Structure):
    _fields_ = [("oper", c_void_p), ("index", c_int)]


def _library():
    folder = Path(importlib.util.find_spec("tensorflow").origin).parent
    ctypes.CDLL(folder / "libtensorflow_framework.so.2", ctypes.RTLD_GLOBAL)
    lib = ctypes.CDLL(folder / "libtensorflow_cc.so.2")
    pointers = "NewStatus NewSessionOptions NewGraph LoadSessionFromSavedModel AllocateTensor"
    for name in [*pointers.split(), "TensorData", "GraphOperationByName"]:
        getattr(lib, f"TF_{name}").restype = c_void_p
    lib.TF_Message.restype, lib.TF_Dim.restype = c_char_p, c_int64
    lib.TF_StringGetDataPointer.restype, lib.TF_StringGetSize.restype = c_void_p, c_size_t
    lib.TF_AllocateTensor.argtypes = [c_int, POINTER(c_int64), c_int, c_size_t]
    return lib


class Session:
    """A session with the default graph of a SavedModel."""

    def __init__(self, folder: str):
        self.lib = _library()
        self.status = c_void_p(self.lib.TF_NewStatus())
        self.graph = c_void_p(self.lib.TF_NewGraph())
        options, tags = c_void_p(self.lib.TF_NewSessionOptions()), (c_char_p * 1)(b"serve")
        load = self.lib.TF_LoadSessionFromSavedModel
        session = load(options, None, folder.encode(), tags, 1, self.graph, None, self.status)
        self._raise_if_failed()
        self.session = c_void_p(session)

    def run(self, fetches: list[str], feeds: dict) -> list:
        """Returns nested lists, one for each fetch."""
        names, num, asked = list(feeds), len(feeds), len(fetches)
        inputs = (_Output * num)(*map(self._output, names))
        values = (c_void_p * num)(*(self._tensor(*feeds[name]) for name in names))
        outputs, results = (_Output * asked)(*map(self._output, fetches)), (c_void_p * asked)()
        self.lib.TF_SessionRun(
            *(self.session, None, inputs, values, num),
            *(outputs, results, asked, None, 0, None, self.status),
        )
        for value in values:
            self.lib.TF_DeleteTensor(c_void_p(value))
        self._raise_if_failed()
        return [self._take(c_void_p(result)) for result in results]

    def _output(self, name: str) -> _Output:
        operation, index = name.split(":")
        return _Output(self.lib.TF_GraphOperationByName(self.graph, operation.encode()), int(index))

    def _tensor(self, dtype: str, shape: list, values: list) -> int:
        dims, count = (c_int64 * len(shape))(*shape), len(values)
        if dtype == "object":
            size = count * _STRING_BYTES
            tensor = self.lib.TF_AllocateTensor(_STRING, dims, len(shape), size)
            first = self.lib.TF_TensorData(c_void_p(tensor))
            for i, text in enumerate(map(base64.b64decode, values)):
                place = c_void_p(first + i * _STRING_BYTES)
                self.lib.TF_StringInit(place)
                self.lib.TF_StringCopy(place, text, c_size_t(len(text)))
            return tensor
        array = np.asarray(values, dtype)
        tensor = self.lib.TF_AllocateTensor(_TYPES[dtype], dims, len(shape), array.nbytes)
        data = c_void_p(self.lib.TF_TensorData(c_void_p(tensor)))
        ctypes.memmove(data, array.ctypes.data, array.nbytes)
        return tensor

    def _take(self, tensor: c_void_p) -> list:
        """Returns the values of a tensor, and deletes it."""
        shape = [self.lib.TF_Dim(tensor, i) for i in range(self.lib.TF_NumDims(tensor))]
        first = self.lib.TF_TensorData(tensor)
        if self.lib.TF_TensorType(tensor) == _STRING:
            places = [c_void_p(first + i * _STRING_BYTES) for i in range(shape[0])]
            found = [base64.b64encode(self._string(place)).decode() for place in places]
        else:
            assert self.lib.TF_TensorType(tensor) == _TYPES["float32"]
            data = ctypes.cast(first, POINTER(ctypes.c_float))
            found = np.ctypeslib.as_array(data, shape).tolist()
        self.lib.TF_DeleteTensor(tensor)
        return found

    def _string(self, place: c_void_p) -> bytes:
        size = self.lib.TF_StringGetSize(place)
        return ctypes.string_at(self.lib.TF_StringGetDataPointer(place), size)

    def _raise_if_failed(self):
        if code := self.lib.TF_GetCode(self.status):
            raise RuntimeError(f"code {code}: {self.lib.TF_Message(self.status).decode()}")


def _answer(session: Session, request: dict) -> dict:
    try:
        return {"values": session.run(request["fetch"], request["feeds"])}
    except RuntimeError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    loaded = Session(sys.argv[1])
    answers = [_answer(loaded, request) for request in json.load(sys.stdin)]
    assert "tensorflow" not in sys.modules
    json.dump(answers, sys.stdout)
