"""Optimizer steps: Adam with the TensorFlow kernel gives the results of Adam in Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.optimization import apply_mean, descend
from tf_shortrun.training.steps import compile_step

SEED = noise.make_seed(5)
SCHEDULE = keras.optimizers.schedules.PiecewiseConstantDecay((2, 4), (1e-2, 1e-3, 1e-4))
OPTIONS = [
    {"learning_rate": SCHEDULE, "beta_1": 0.5, "epsilon": 1e-8},
    {"learning_rate": 1e-2, "clipnorm": 0.1, "weight_decay": 0.1, "use_ema": True},
    {"learning_rate": 1e-2, "amsgrad": True},  # this option uses the code of Keras
]


def ends(strategy, options, by):
    """Returns weights, moments and iterations after six updates on a noisy quadratic."""
    with strategy.scope():
        weights = [keras.Variable([[1.0, -2.0, 3.0]]), keras.Variable([0.5])]
        adam = keras.optimizers.Adam(**options)
        adam.build(weights)

    def update(_, seed):
        with tf.GradientTape() as tape:
            center = noise.shared_normal(seed, [2, 2])
            loss = sum(tf.reduce_sum((w - center[0, 0]) ** 2) for w in weights)
        by(adam, weights, loss, tape)
        return {"loss": loss}

    step_fn = compile_step(strategy, update, SEED)
    for step in range(6):
        step_fn(None, tf.constant(step))
    return [np.array(v.value) for v in (*weights, *adam.variables)]


def by_keras(adam, weights, loss, tape):
    num_replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    adam.apply([g / num_replicas for g in tape.gradient(loss, weights)], weights)


@pytest.mark.parametrize("options", OPTIONS)
def test_adam_by_the_kernel_equals_adam_of_keras(options, one_replica, two_replicas):
    """They differ only by rounding: the kernel computes 1 - beta_2 in float32.

    The error is 2^-24 of .001, so 6e-5 of v and of all earlier steps.
    """
    for strategy in (one_replica, two_replicas):
        pairs = zip(
            ends(strategy, options, descend), ends(strategy, options, by_keras), strict=True
        )
        for found, expected in pairs:
            np.testing.assert_allclose(found, expected, rtol=3e-4, atol=1e-7)


def test_adam_is_one_operation_per_variable():
    weights = [keras.Variable([1.0, 2.0]), keras.Variable([3.0])]
    adam = keras.optimizers.Adam()
    adam.build(weights)
    gradients = [tf.ones([2]), tf.ones([1])]
    update = tf.function(lambda: apply_mean(adam, gradients, weights), autograph=False)
    kinds = [op.type for op in update.get_concrete_function().graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 2 and len(kinds) < 60
    assert "Square" not in kinds
