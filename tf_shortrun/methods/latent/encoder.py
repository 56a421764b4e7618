"""Networks from observations to the parameters of a distribution over latents."""

import keras

from tf_shortrun.methods.latent.blocks import ResidualBlock, strided_convolution
from tf_shortrun.networks.sides import num_halvings


def light_encoder(width: int, hidden_units: int) -> keras.Model:
    """Returns [B, H, W, C] -> [B, width] with one hidden layer; its initial output is 0."""
    last = keras.layers.Dense(width, kernel_initializer="zeros")
    hidden = keras.layers.Dense(hidden_units, activation="gelu")
    return keras.Sequential([keras.layers.Flatten(), hidden, last])


def mirrored_encoder(
    width: int, features: int, num_downsamplings: int | None, num_blocks: int
) -> keras.Model:
    """Returns [B, H, W, C] -> [B, width], a mirrored `TopDownGenerator`; its initial output is 0.

    Convolutions (4x4, stride 2) that halve both sides, `num_blocks` residual blocks, a dense layer.
    With `num_downsamplings` None the sides are halved as often as the generator doubles them.
    """
    halvings = (
        [Halvings(features)]
        if num_downsamplings is None
        else [layer for _ in range(num_downsamplings) for layer in strided_convolution(features)]
    )
    last = keras.layers.Dense(width, kernel_initializer="zeros")
    blocks = [ResidualBlock(features) for _ in range(num_blocks)]
    return keras.Sequential([*halvings, *blocks, keras.layers.Flatten(), last])


class Halvings(keras.layers.Layer):
    """A layer that halves the sides of images as often as `sides.num_halvings` says."""

    def __init__(self, features: int):
        super().__init__()
        self.features = features

    def build(self, shape):
        num = num_halvings(shape[1:3])
        layers = [layer for _ in range(num) for layer in strided_convolution(self.features)]
        self.halve = keras.Sequential(layers)
        self.halve.build(shape)

    def call(self, image):
        return self.halve(image)
