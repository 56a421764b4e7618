"""Steps of an optimizer, in replica context."""

import functools
from collections.abc import Sequence

import keras
import tensorflow as tf


def descend(
    optimizer: keras.optimizers.Optimizer,
    variables: Sequence[keras.Variable],
    loss: tf.Tensor,
    tape: tf.GradientTape,
):
    """Updates the variables by one step down the mean loss of all replicas.

    Replicas must have equal shares of the batch.
    """
    apply_mean(optimizer, tape.gradient(loss, variables), variables)


def apply_mean(
    optimizer: keras.optimizers.Optimizer,
    gradients: Sequence[tf.Tensor],
    variables: Sequence[keras.Variable],
):
    """Updates the variables by one step with the gradients averaged over replicas.

    For Adam this is one operation per variable instead of Keras' twenty: an update of digits has
    2,272 operations instead of 3,218.
    """
    if type(optimizer) is keras.optimizers.Adam and not optimizer.amsgrad:
        optimizer.update_step = functools.partial(_adam_step, optimizer)
    num_replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    optimizer.apply([g / num_replicas for g in gradients], variables)  # Keras sums over replicas


def _adam_step(adam: keras.optimizers.Adam, gradient, variable: tf.Variable, learning_rate):
    """Updates the moments m, v and the variable w by the rule of Adam in Keras.

    m <- m + (1 - b1) (g - m),  v <- v + (1 - b2) (g^2 - v),
    w <- w - r sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon)
    """
    index = adam._get_variable_index(variable)
    step = tf.cast(adam.iterations + 1, tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=adam._momentums[index].value.handle,
        v=adam._velocities[index].value.handle,
        beta1_power=adam.beta_1**step,
        beta2_power=adam.beta_2**step,
        lr=tf.convert_to_tensor(learning_rate),
        beta1=adam.beta_1,
        beta2=adam.beta_2,
        epsilon=adam.epsilon,
        grad=tf.convert_to_tensor(gradient),
    )
