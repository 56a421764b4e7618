"""The messages of TensorFlow Serving's PredictionService, without TensorFlow.

They are the few fields that are needed of tensorflow_serving/apis/{model,predict,prediction_log,
get_model_metadata}.proto and tensorflow/core/{framework,protobuf}, under the same numbers, so that
the bytes are the same. The official package imports all of TensorFlow, which no client needs.
"""

import math

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_METADATA = "/tensorflow.serving.PredictionService/GetModelMetadata"

# name -> number, field and type of each field; * is repeated, {} a map from string.
_MESSAGES = {
    "ModelSpec": "1 name string, 3 signature_name string",
    "Dim": "1 size int64",
    "TensorShape": "2 dim Dim*",
    "Tensor": "1 dtype int32, 2 tensor_shape TensorShape, 4 tensor_content bytes, "
    "5 float_val float*, 8 string_val bytes*, 7 int_val int32*, 11 bool_val bool*",
    "PredictRequest": "1 model_spec ModelSpec, 2 inputs Tensor{}",
    "PredictResponse": "1 outputs Tensor{}",
    "PredictLog": "1 request PredictRequest",
    "PredictionLog": "6 predict_log PredictLog",
    "TensorInfo": "2 dtype int32, 3 tensor_shape TensorShape",
    "SignatureDef": "1 inputs TensorInfo{}, 2 outputs TensorInfo{}",
    "SignatureDefMap": "1 signature_def SignatureDef{}",
    "GetModelMetadataRequest": "1 model_spec ModelSpec, 2 metadata_field string*",
    "Any": "1 type_url string, 2 value bytes",
    "GetModelMetadataResponse": "2 metadata Any{}",
}
_TYPES = {"float32": 1, "int32": 3, "object": 7, "bool": 10}  # of NumPy -> DataType
_FIELDS = {
    "float32": "float_val",
    "int32": "int_val",
    "object": "string_val",
    "bool": "bool_val",
}
_SCALARS = {"float": 2, "int64": 3, "int32": 5, "bool": 8, "string": 9, "bytes": 12}
_PACKAGE = "tf_shortrun"  # these names are not on the wire


def _add_field(message: descriptor_pb2.DescriptorProto, number: str, name: str, kind: str):
    is_map, is_repeated, kind = kind.endswith("{}"), kind.endswith(("*", "{}")), kind.rstrip("*{}")
    field = message.field.add(name=name, number=int(number), label=3 if is_repeated else 1)
    if is_map:
        entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
        entry.options.map_entry = True
        _add_field(entry, "1", "key", "string")
        _add_field(entry, "2", "value", kind)
        kind = f"{message.name}.{entry.name}"
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type, field.type_name = 11, f".{_PACKAGE}.{kind}"


def _classes() -> dict[str, type]:
    file = descriptor_pb2.FileDescriptorProto(name="predict", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            _add_field(message, *field.split())
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = {name: pool.FindMessageTypeByName(f"{_PACKAGE}.{name}") for name in _MESSAGES}
    return {name: message_factory.GetMessageClass(each) for name, each in found.items()}


MESSAGES = _classes()


def predict_request(model: str, signature: str, inputs: dict[str, np.ndarray]):
    """Returns a PredictRequest. Strings are arrays of bytes objects."""
    request = MESSAGES["PredictRequest"]()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        _fill(request.inputs[name], np.asarray(value))
    return request


def to_array(tensor, max_bytes: int) -> np.ndarray:
    """Returns a Tensor as an array, with bytes objects for strings.

    Raises:
      ValueError: if type, shape and values do not belong together, or it has more than `max_bytes`.
    """
    kind = {number: name for name, number in _TYPES.items()}.get(tensor.dtype)
    if kind is None:
        raise ValueError(f"values of the type {tensor.dtype}")
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if min(shape, default=0) < 0 or math.prod(shape) * 4 > max_bytes:
        raise ValueError(f"an array of the shape {shape[:9]}")
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, kind).reshape(shape)
    values = getattr(tensor, _FIELDS[kind])
    array = np.empty(len(values), kind)
    array[:] = values
    return np.full(shape, array[0]) if len(values) == 1 else array.reshape(shape)  # 1 for all


def _fill(tensor, value: np.ndarray):
    tensor.dtype = _TYPES[value.dtype.name]
    for size in value.shape:
        tensor.tensor_shape.dim.add(size=size)
    if value.dtype == object:
        tensor.string_val.extend(value.ravel().tolist())
    else:
        tensor.tensor_content = value.tobytes()
