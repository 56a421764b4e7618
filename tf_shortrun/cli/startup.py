"""Sets up the process of a command: memory is kept, and TensorFlow imported without its greeting.

Before TF_CPP_MIN_LOG_LEVEL counts, its C++ writes half a screen about oneDNN and CUDA to
stderr, on machines where all is well. Python's own errors come later and are not lost. Where jax is
installed TensorFlow imports it too, for converters that this package does not use: 2 of 10 s.
"""

import os
import sys

from tf_shortrun.core.allocator import keep_memory

keep_memory()  # before the first tensor
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
_STDERR = os.dup(2)
_NOWHERE = os.open(os.devnull, os.O_WRONLY)
_JAX_IS_IN_USE = "jax" in sys.modules
try:
    os.dup2(_NOWHERE, 2)
    if not _JAX_IS_IN_USE:
        sys.modules["jax"] = None  # importing it raises ImportError
    import tensorflow as tf

    tf.config.list_physical_devices()
finally:
    if not _JAX_IS_IN_USE:
        del sys.modules["jax"]
    os.dup2(_STDERR, 2)
    os.close(_STDERR)
    os.close(_NOWHERE)
