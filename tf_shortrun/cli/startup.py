"""Sets up the process of a command: keeps freed memory and imports TensorFlow without its log.

The C++ code of TensorFlow writes half a screen about oneDNN and CUDA to stderr before it reads
TF_CPP_MIN_LOG_LEVEL, even if nothing is wrong, so stderr goes to /dev/null during the import.
Python's own errors are written later and are not lost. If jax is installed, TensorFlow imports it
too, for converters that this package does not use. That takes 2 of 10 s, so it is prevented.
"""

import os
import sys

from tf_shortrun.cli.streams import reopen_closed
from tf_shortrun.core.allocator import keep_memory

reopen_closed()
keep_memory()  # before the first tensor
# The loss of another machine ends in one line, without the log of TensorFlow's connections.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if "TF_CONFIG" in os.environ else "2")
_STDERR = os.dup(2)
_NOWHERE = os.open(os.devnull, os.O_WRONLY)
_JAX_IS_IN_USE = "jax" in sys.modules
try:
    os.dup2(_NOWHERE, 2)
    if not _JAX_IS_IN_USE:
        sys.modules["jax"] = None  # makes its import raise ImportError, which TensorFlow accepts
    import tensorflow as tf

    tf.config.list_physical_devices()
finally:
    if not _JAX_IS_IN_USE:
        del sys.modules["jax"]
    os.dup2(_STDERR, 2)
    os.close(_STDERR)
    os.close(_NOWHERE)
