"""Sets up the process of a command: memory is kept, and TensorFlow imported without its greeting.

Before TF_CPP_MIN_LOG_LEVEL counts, its C++ writes half a screen about oneDNN and CUDA to
stderr, on machines where all is well. Python's own errors come later and are not lost.
"""

import os

from tf_shortrun.allocator import keep_memory

keep_memory()  # before the first tensor
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
_STDERR = os.dup(2)
_NOWHERE = os.open(os.devnull, os.O_WRONLY)
try:
    os.dup2(_NOWHERE, 2)
    import tensorflow as tf

    tf.config.list_physical_devices()
finally:
    os.dup2(_STDERR, 2)
    os.close(_STDERR)
    os.close(_NOWHERE)
