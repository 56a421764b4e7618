"""Means over the replicas of a batch, and over time."""

import tensorflow as tf


def over_replicas(value):
    """Returns the mean over all replicas of a tensor, or of each in a list; in replica context."""
    replica = tf.distribute.get_replica_context()
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, value)


def moved(mean: tf.Tensor, value: tf.Tensor, momentum) -> tf.Tensor:
    """Returns momentum mean + (1 - momentum) value, one step of a running mean."""
    return mean + (1.0 - momentum) * (value - mean)


def shared_variable(start) -> tf.Variable:
    """Returns a variable that is not trained; every replica assigns the same value to it."""
    only = tf.VariableAggregation.ONLY_FIRST_REPLICA
    return tf.Variable(start, trainable=False, aggregation=only)
