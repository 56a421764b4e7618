"""What is probable: Keras models with log densities."""
