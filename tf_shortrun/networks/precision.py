"""Which type a network computes in, and copies of its weights in that type.

Latents, noise, the mean image and log-probabilities are float32 always; only feature maps and
the weights that multiply them may be bfloat16. Variables stay float32, and so do gradients of
them and the optimizer.
"""

import contextlib

import keras
import tensorflow as tf


@contextlib.contextmanager
def layers_of(policy: str):
    """Keras layers made inside have this policy: "float32" or "mixed_bfloat16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def cast_once(model: keras.Model) -> contextlib.AbstractContextManager:
    """Inside, layers see their weights as they are now, already in the type they compute in.

    Without it a layer of mixed policy casts its weights at every call: in a loop, at every step.
    Nothing can be assigned inside.
    """
    # The innermost layer, which comes last, decides the type of a weight.
    types = {
        id(v): (v, layer.compute_dtype) for layer in model._flatten_layers() for v in layer.weights
    }
    copies = [(v, tf.cast(v.value, t)) for v, t in types.values() if v.dtype != t]
    if not copies:
        return contextlib.nullcontext()
    scope = keras.StatelessScope()
    for copy in copies:
        scope.add_update(copy)  # its constructor would cast them back
    return scope


def compute_dtype(model: keras.Model) -> str:
    """What most of the arithmetic is in: "bfloat16" if any layer computes in it."""
    types = {layer.compute_dtype for layer in model._flatten_layers()}
    return "bfloat16" if "bfloat16" in types else "float32"
