"""Networks that process a batch in parts."""

import functools
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.cli import config
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.flops import count_flops
from tf_shortrun.methods.latent.blocks import GaussianConditional, released_std
from tf_shortrun.methods.latent.top_down import TopDownGenerator
from tf_shortrun.networks.precision import cast_once
from tf_shortrun.training.steps import make_steps

ROOT = Path(__file__).parents[2]
SEED = noise.make_seed(0)
PUBLISHED = functools.partial(GaussianConditional, std_fn=released_std)
MEMORY = """
import tensorflow as tf
from tf_shortrun.methods.latent.blocks import GaussianConditional, free_std
from tf_shortrun.methods.latent.top_down import TopDownGenerator
from tf_shortrun.core.usage import peak_memory_gib

def derive(num_layers, images_at_once):
    conditional = lambda *sizes: GaussianConditional(*sizes, std_fn=free_std)
    model = TopDownGenerator(
        (32, 32, 1), [4] * num_layers, 16, 1, conditional, 0.3, images_at_once=images_at_once
    )

    @tf.function(autograph=False)
    def gradients(latents):
        with tf.GradientTape() as tape:
            tape.watch(latents)
            log_joint = model.log_joint(latents, tf.zeros([2048, 32, 32, 1]))
        return tape.gradient(log_joint, latents)

    gradients([tf.zeros([2048, 4])] * num_layers)
    return peak_memory_gib()

few, many, whole = derive(1, 80), derive(5, 16), derive(5, None)
print(1024 * (many - few), 1024 * (whole - many))
"""


def test_memory_does_not_grow_with_the_number_of_layers_if_parts_are_smaller():
    """Measures in a separate process, in MiB."""
    script = [sys.executable, "-c", MEMORY]
    out = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    flat, kept = map(float, out.split())
    assert flat < 150  # the programs of four more layers
    assert kept > 5 * 2 * 32  # at least two maps of 32 MiB in each layer


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_two_images_at_once_give_the_same_gradients(policy):
    """Compares gradients of five images, in latents and weights, also with weights cast once.

    In bfloat16 each of the ten layers rounds by 2^-9 of its maps, and the algorithm depends on the
    batch size, so the tolerance is 10 * 2^-8 of the largest entry of a gradient. A part that is
    omitted or taken twice would change the gradient by a fifth.
    """
    gradients = []
    for at_once in (None, 2):
        keras.utils.set_random_seed(0)
        model = TopDownGenerator((8, 8, 1), (3, 2, 4), 6, 1, PUBLISHED, 0.3, policy, at_once)
        latents, x = model.sample_latents(5, SEED), tf.zeros([5, 8, 8, 1])

        @tf.function(autograph=False)
        def derive(model=model, latents=latents, x=x):
            with tf.GradientTape() as tape:
                tape.watch(latents)
                log_joint = model.log_joint(latents, x)
            every = tape.gradient(log_joint, [*latents, *model.trainable_variables])
            with cast_once(model), tf.GradientTape() as tape:
                tape.watch(latents)
                log_joint = model.log_joint(latents, x)
            return every, tape.gradient(log_joint, latents)

        gradients.append(tf.nest.flatten(derive()))
    for a, b in zip(*gradients, strict=True):
        rounding = 10 * 2**-8 * np.abs(a).max()
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-4 if policy == "float32" else rounding)


def test_training_in_parts_on_two_replicas_equals_training_on_one(one_replica, two_replicas):
    """The last part of each replica is not full."""
    short = ["top_down.TopDownGenerator.latent_widths = (3, 2)", "short_run.ShortRun.num_steps = 3"]
    seven = "top_down.TopDownGenerator.images_at_once = 7"
    whole = config.load(["reproduce/digits.gin"], short)
    parts = config.load(["reproduce/digits.gin", "gin/precision/parts.gin"], [*short, seven])
    trained = []
    for experiment, strategy in ((whole, one_replica), (parts, two_replicas)):
        keras.utils.set_random_seed(0)
        learner = experiment.build(strategy)
        step_at = make_steps(strategy, learner, SEED)
        batches = strategy.distribute_datasets_from_function(
            lambda _, e=experiment, n=strategy.num_replicas_in_sync: e.dataset.train_batches(
                20, 0, 0, n
            )
        )
        for step, batch in zip((1, 2, 3), batches, strict=False):
            step_at(step)(batch, tf.constant(step))
        trained.append(learner.model.get_weights())
    for a, b in zip(*trained, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_the_count_of_arithmetic_includes_all_parts():
    whole, parts = (
        TopDownGenerator((8, 8, 1), (3,), 6, 1, PUBLISHED, 0.3, images_at_once=n) for n in (None, 7)
    )
    one = whole.sample_latents(1, SEED)
    assert count_flops(lambda z: parts([z]), *one) == count_flops(lambda z: whole([z]), *one)


def test_zero_images_at_once_raise_an_error():
    with pytest.raises(InputError, match="images_at_once is 0: choose one or more"):
        TopDownGenerator((8, 8, 1), (3,), 6, 1, PUBLISHED, 0.3, images_at_once=0)
