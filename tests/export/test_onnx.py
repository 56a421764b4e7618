"""What an export becomes by tf2onnx, where somebody has installed it: it is no dependency."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

pytest.importorskip("tf2onnx", reason="needs pip install tf2onnx onnxruntime")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install tf2onnx onnxruntime")


def test_decode_gives_the_same_images(served, tmp_path):
    file = tmp_path / "decode.onnx"
    line = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", served.folder, "--tag=serve"]
    line += ["--signature_def=decode", "--opset=18", "--output", file]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0 and "not supported" not in done.stderr, done.stderr[-2000:]
    z = np.random.default_rng(0).normal(size=[5, 3]).astype(np.float32)
    (found,) = onnxruntime.InferenceSession(str(file)).run(["images"], {"layer0": z})
    wanted = served.signatures["decode"](layer0=tf.constant(z))["images"]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
