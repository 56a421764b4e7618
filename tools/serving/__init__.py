"""What the client of a TensorFlow Serving server consists of, see `tools/query_serving.py`."""
