"""Networks from observations to the parameters of a distribution over latents."""

import keras

from tf_shortrun.methods.latent.blocks import ResidualBlock, strided_convolution


def light_encoder(width: int, hidden_units: int) -> keras.Model:
    """Returns [B, H, W, C] -> [B, width] with one hidden layer; its initial output is 0."""
    last = keras.layers.Dense(width, kernel_initializer="zeros")
    hidden = keras.layers.Dense(hidden_units, activation="gelu")
    return keras.Sequential([keras.layers.Flatten(), hidden, last])


def mirrored_encoder(
    width: int, features: int, num_downsamplings: int, num_blocks: int
) -> keras.Model:
    """Returns [B, H, W, C] -> [B, width], a mirrored `TopDownGenerator`; its initial output is 0.

    Convolutions (4x4, stride 2) that halve the side, `num_blocks` residual blocks, a dense layer.
    """
    halvings = [strided_convolution(features) for _ in range(num_downsamplings)]
    last = keras.layers.Dense(width, kernel_initializer="zeros")
    blocks = [ResidualBlock(features) for _ in range(num_blocks)]
    flat = [layer for halving in halvings for layer in halving]
    return keras.Sequential([*flat, *blocks, keras.layers.Flatten(), last])
