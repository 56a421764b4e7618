"""Which Keras layers a decoder may have: p(x | z) must be one density, the same at every step."""

import keras

from tf_shortrun.core.errors import InputError

# Normalisation by the batch makes an example depend on its neighbours.
_MIX_EXAMPLES = (keras.layers.BatchNormalization, keras.layers.SpectralNormalization)
# In training these change the density from step to step of a chain.
_DRAW_NOISE = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
)


def check_layers(network: keras.Model) -> None:
    """Checks the layers of a decoder, which is always called as after training.

    Frozen layers (`trainable` is False) may be of any kind: they behave as after training.

    Raises:
      InputError: if a layer is updated or draws noise only in training.
    """
    for layer in network._flatten_layers():  # Keras has no public name for all layers within
        kind, name = type(layer).__name__, getattr(layer, "name", "")
        if not getattr(layer, "trainable", True):
            continue
        if isinstance(layer, _MIX_EXAMPLES):
            raise InputError(
                f"{name} is a {kind}, whose statistics are never updated here: use "
                "GroupNormalization or LayerNormalization, or freeze it by trainable = False"
            )
        if isinstance(layer, _DRAW_NOISE):
            raise InputError(
                f"{name} is a {kind}, which never acts here, as a chain needs the same density at "
                "every step: leave it out"
            )
