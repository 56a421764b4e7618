"""Small learners to export, and what runs them in the C++ loader."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from serving_double import signature_defs
from tf_shortrun.core import noise
from tf_shortrun.methods.energy.contrast import Difference
from tf_shortrun.methods.energy.energy import Energy, Generator
from tf_shortrun.methods.energy.information import Channel
from tf_shortrun.methods.energy.max_entropy import MaxEntropy
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.networks.perceptron import perceptron

SHAPE = (4, 6, 1)
SEED = [3, 0]


def network():
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential([layers.Input([3]), layers.Dense(24, "tanh"), layers.Reshape(SHAPE)])


class Sampler:
    """A learner that only samples. Its `sigma` is not a Keras variable."""

    image_shape = SHAPE

    def __init__(self):
        self.network = network()
        self.sigma = tf.Variable(0.5, trainable=False)

    def sample(self, num, seed):
        return self.sigma * self.network(noise.normal(seed, [num, 3]))


class Fake(Sampler):
    """A learner that also reconstructs (four gradient steps in a loop), inpaints and scores."""

    def reconstruct(self, batch, seed):
        x = batch["image"]

        def step(k, z):
            with tf.GradientTape() as tape:
                tape.watch(z)
                error = tf.reduce_sum((x - self.network(z)) ** 2)
            xi = noise.normal(noise.fold(seed, k), [tf.shape(x)[0], 3])
            return k + 1, z - 0.1 * tape.gradient(error, z) + 0.01 * self.sigma * xi

        start = noise.normal(seed, [tf.shape(x)[0], 3])
        _, z = tf.while_loop(lambda k, _: k < 4, step, [0, start])
        return self.network(z)

    def inpaint(self, batch, seed):
        """Uses hidden pixels too, so a test fails if their values reach the learner."""
        share = tf.reduce_mean(tf.cast(batch["mask"], tf.float32), axis=[1, 2, 3], keepdims=True)
        return share * self.reconstruct(batch, seed)

    def score(self, batch, seed):
        error = (batch["image"] - self.reconstruct(batch, seed)) ** 2
        return tf.reduce_mean(error, axis=[1, 2, 3])


def real():
    model = Decoder(network(), [3], sigma=0.3)
    return LatentLikelihood(model, ShortRun(5, 0.01), keras.optimizers.Adam())


def points(score_by):
    """Returns a learner of points; a score by the gradient has a backward pass in the graph."""
    keras.utils.set_random_seed(0)
    energy = Energy(perceptron((16,), 1, "tanh"), [2])
    generator = Generator(perceptron((16,), 2, "tanh"), 3)
    optimizers = keras.optimizers.Adam(), keras.optimizers.Adam()
    return MaxEntropy(
        energy, generator, Channel(0.1, 4), Difference(0.1), *optimizers, 0.5, 1, score_by
    )


def file(pixels, kind="PNG"):
    """Returns the file of a picture, bytes."""
    content = io.BytesIO()
    Image.fromarray(np.squeeze(pixels)).save(content, kind)
    return content.getvalue()


def pictures(num, shape=SHAPE):
    return noise.normal(noise.make_seed(5), [num, *shape]).numpy().clip(-1, 1)


def masks(num):
    """Returns masks that are true at observed pixels: all of the first image, none of the last."""
    mask = np.random.default_rng(0).random([num, *SHAPE]) < 0.5
    mask[0], mask[-1] = True, False
    return mask


def completed(learner, x, mask):
    """Returns the right answer of `inpaint`: the learner fills in from observed pixels alone."""
    made = learner.inpaint({"image": np.where(mask, x, np.float32(0)), "mask": mask}, SEED)
    return np.where(mask, x, made)


def ask(folder, signature, **inputs):
    """Returns a request for `run_cc`."""
    definition = signature_defs(folder)[signature]
    feeds = {}
    for name, value in inputs.items():
        info = definition.inputs[name]
        array = np.asarray(value, tf.as_dtype(info.dtype).as_numpy_dtype)
        flat = array.ravel().tolist()
        if array.dtype == object:
            flat = [base64.b64encode(text).decode() for text in flat]
        feeds[info.name] = [array.dtype.name, array.shape, flat]
    names, infos = zip(*sorted(definition.outputs.items()), strict=True)
    return {"names": names, "fetch": [info.name for info in infos], "feeds": feeds}


def run_cc(folder, requests):
    """Returns the outputs of every request by name, or its {"error": text}. Files are in base64."""
    program = [sys.executable, Path(__file__).parent / "cc_loader.py", folder]
    done = subprocess.run(program, input=json.dumps(requests), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return [
        answer if "error" in answer else dict(zip(request["names"], answer["values"], strict=True))
        for request, answer in zip(requests, json.loads(done.stdout), strict=True)
    ]


def close(a, b):
    """Returns whether numbers are equal up to rounding."""
    return np.shape(a) == np.shape(b) and np.abs(np.subtract(a, b)).max() < 1e-5
