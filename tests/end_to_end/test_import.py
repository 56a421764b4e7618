"""To import the package computes nothing: a program can still choose devices and threads."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import importlib, pkgutil
import tensorflow as tf
import tf_shortrun
for module in pkgutil.walk_packages(tf_shortrun.__path__, "tf_shortrun."):
    importlib.import_module(module.name)
tf.config.threading.set_intra_op_parallelism_threads(1)  # an error once TensorFlow has computed
"""


def test_no_module_computes_when_it_is_imported():
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-500:]
