"""The type in which a network computes, and copies of its weights in this type.

Latents, noise, the mean image and log-probabilities are always float32. Only feature maps and
the weights that multiply them can be bfloat16. Variables, their gradients and the optimizer stay
float32.
"""

import contextlib

import keras
import tensorflow as tf


@contextlib.contextmanager
def layers_of(policy: str):
    """Gives Keras layers created inside this policy: "float32" or "mixed_bfloat16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def cast_once(model: keras.Model) -> contextlib.AbstractContextManager:
    """Returns a context in which layers use copies of their weights, cast once to the compute type.

    Without this context, a layer of mixed policy casts its weights at every call: in a loop, at
    every step. Do not assign variables inside the context.
    """
    # The innermost layer comes last and decides the type of a weight.
    types = {
        id(v): (v, layer.compute_dtype) for layer in model._flatten_layers() for v in layer.weights
    }
    copies = [(v, tf.cast(v.value, t)) for v, t in types.values() if v.dtype != t]
    if not copies:
        return contextlib.nullcontext()
    scope = keras.StatelessScope()
    for copy in copies:
        scope.add_update(copy)  # the constructor of the scope would cast copies back
    return scope


def compute_dtype(model: keras.Model) -> str:
    """Returns the type of most arithmetic: "bfloat16" if any layer computes in bfloat16."""
    types = {layer.compute_dtype for layer in model._flatten_layers()}
    return "bfloat16" if "bfloat16" in types else "float32"
