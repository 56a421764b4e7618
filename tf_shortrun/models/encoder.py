"""Networks from observations to the parameters of a law over latents."""

import keras


def light_encoder(width: int, hidden_units: int) -> keras.Model:
    """[B, H, W, C] -> [B, width] with one hidden layer; its first answer is 0 everywhere."""
    last = keras.layers.Dense(width, kernel_initializer="zeros")
    hidden = keras.layers.Dense(hidden_units, activation="gelu")
    return keras.Sequential([keras.layers.Flatten(), hidden, last])
