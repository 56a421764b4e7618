"""Requests by gRPC. It needs the package grpcio, but neither TensorFlow nor its protos."""

import urllib.parse

import numpy as np
from google.protobuf.message import DecodeError

from tf_shortrun.export import predict_messages as messages
from tools.serving import limits
from tools.serving.limits import GARBAGE, QueryError, not_serving


class Rpc:
    """A model behind grpc://host:port. Every call raises QueryError."""

    def __init__(self, url: str, model: str, seconds: float):
        try:
            import grpc
        except ImportError:
            raise QueryError(
                "grpc:// needs grpcio: pip install -r requirements-serving.txt"
            ) from None
        self._grpc, self._model, self._seconds = grpc, model, seconds
        self.address = urllib.parse.urlsplit(url).netloc
        if not self.address:
            raise QueryError(f"no server in {url}: give grpc://host:port")
        bound = [("grpc.max_receive_message_length", limits.MAX_BYTES)]
        self._channel = grpc.insecure_channel(self.address, bound)

    def predict(self, signature: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Returns the one output of a signature."""
        request = messages.predict_request(self._model, signature, inputs)
        answer = self._ask(messages.PREDICT, request, "PredictResponse")
        try:
            (output,) = answer.outputs.values()
            return messages.to_array(output, limits.MAX_BYTES)
        except GARBAGE as error:
            raise not_serving(self.address, error) from error

    def shapes(self) -> dict[str, dict[str, list[int]]]:
        """Returns the sizes of every input of every signature; -1 is any size."""
        request = messages.MESSAGES["GetModelMetadataRequest"](metadata_field=["signature_def"])
        request.model_spec.name = self._model
        answer = self._ask(messages.GET_METADATA, request, "GetModelMetadataResponse")
        try:
            packed = answer.metadata["signature_def"].value
            signatures = messages.MESSAGES["SignatureDefMap"].FromString(packed).signature_def
            return {
                name: {
                    key: [dim.size for dim in info.tensor_shape.dim]
                    for key, info in signature.inputs.items()
                }
                for name, signature in signatures.items()
            }
        except (*GARBAGE, DecodeError) as error:
            raise not_serving(self.address, error) from error

    def _ask(self, method: str, request, answer: str):
        call = self._channel.unary_unary(
            method,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=messages.MESSAGES[answer].FromString,
        )
        try:
            return call(request, timeout=self._seconds)
        except self._grpc.RpcError as error:
            code, words = error.code().name, error.details()
            raise QueryError(f"{self.address} answers {code}: {words}") from error
