"""A test double of TensorFlow Serving's gRPC API with the official protos. It is not TF Serving."""

import contextlib
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2
from tensorflow_serving.apis import prediction_service_pb2_grpc as service

from serving_double import Served, not_found, words_of


class _Servicer(service.PredictionServiceServicer):
    def __init__(self, served: Served):
        self._served = served

    def Predict(self, request, context):  # noqa: N802
        self._check(request.model_spec.name, context)
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        try:
            outputs = self._served.predict(request.model_spec.signature_name, inputs)
        except (tf.errors.InvalidArgumentError, KeyError, TypeError, ValueError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, words_of(error))
        answer = predict_pb2.PredictResponse()
        for key, value in outputs.items():
            answer.outputs[key].CopyFrom(_as_fields(value))
        return answer

    def GetModelMetadata(self, request, context):  # noqa: N802
        self._check(request.model_spec.name, context)
        found = get_model_metadata_pb2.SignatureDefMap(signature_def=self._served.signature_defs)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.metadata["signature_def"].Pack(found)
        return answer

    def _check(self, asked, context):
        if asked != self._served.name:
            context.abort(grpc.StatusCode.NOT_FOUND, not_found(asked))


@contextlib.contextmanager
def serve_grpc(folder: Path, name: str) -> Iterator[str]:
    """Runs a server on the loopback address during the block, and yields its URL."""
    server = grpc.server(futures.ThreadPoolExecutor(2))
    service.add_PredictionServiceServicer_to_server(_Servicer(Served(folder, name)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None)


def _as_fields(value: np.ndarray) -> tensor_pb2.TensorProto:
    """Returns the values one by one and not as one string of bytes: the server's default."""
    proto = tensor_pb2.TensorProto(
        dtype=tf.as_dtype(value.dtype).as_datatype_enum,
        tensor_shape=tf.TensorShape(value.shape).as_proto(),
    )
    getattr(proto, "string_val" if value.dtype == object else "float_val").extend(value.ravel())
    return proto
