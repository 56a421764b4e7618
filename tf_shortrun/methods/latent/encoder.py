"""Networks from observations to the parameters of a distribution over latents."""

import keras

from tf_shortrun.methods.latent.blocks import ResidualBlock, strided_convolution


def light_encoder(width: int, hidden_units: int) -> keras.Model:
    """[B, H, W, C] -> [B, width] with one hidden layer; its first answer is 0 everywhere."""
    last = keras.layers.Dense(width, kernel_initializer="zeros")
    hidden = keras.layers.Dense(hidden_units, activation="gelu")
    return keras.Sequential([keras.layers.Flatten(), hidden, last])


def mirrored_encoder(
    width: int, features: int, num_downsamplings: int, num_blocks: int
) -> keras.Model:
    """[B, H, W, C] -> [B, width], a `TopDownGenerator` walked upwards; 0 everywhere at first.

    Each 4x4 convolution of stride 2 halves the side; `num_blocks` residual blocks; a dense layer.
    """
    halvings = [strided_convolution(features) for _ in range(num_downsamplings)]
    last = keras.layers.Dense(width, kernel_initializer="zeros")
    blocks = [ResidualBlock(features) for _ in range(num_blocks)]
    flat = [layer for halving in halvings for layer in halving]
    return keras.Sequential([*flat, *blocks, keras.layers.Flatten(), last])
