"""One step of an optimizer, in replica context."""

from collections.abc import Sequence

import keras
import tensorflow as tf


def descend(
    optimizer: keras.optimizers.Optimizer,
    variables: Sequence[keras.Variable],
    loss: tf.Tensor,
    tape: tf.GradientTape,
):
    """Down the mean of the losses of all replicas, which have equal shares of the batch."""
    num_replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    # Keras sums gradients over replicas.
    gradients = [g / num_replicas for g in tape.gradient(loss, variables)]
    optimizer.apply(gradients, variables)
