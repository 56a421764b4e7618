"""Rules that choose the step sizes of a short run while its model learns.

A rule holds the current step sizes, `value` [K, L]. Its `adapt`, called at intervals, changes them
by an objective on a few images. Both rules below take any of `methods/latent/objectives.py`.

    GridSearch    s <- argmin over candidates of objective(s), with the same noise for all
    Descent       log s <- log s - Adam( d objective(s) / d log s ), with new noise each time,
                  then perhaps s_k <- s_k min(1, c / |s_k lambda_k|), where steps are stable

With `kl_hat` and a single step size, either rule is the published method.

References: E. Nijkamp et al., ECCV 2020.
"""

import abc
import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.means import over_replicas, shared_variable
from tf_shortrun.core.optimization import apply_mean
from tf_shortrun.core.shapes import Batch, Seed
from tf_shortrun.methods.latent.curvature import stable_shares
from tf_shortrun.methods.latent.inference import Inference
from tf_shortrun.methods.latent.latent_model import LatentModel


def for_image_shape(image_shape: Sequence[int], step_size: float) -> float:
    """Returns a fixed step size for images of any size: s min(1, 3072 / D), D numbers an image.

    The log-likelihood is a sum over D numbers, and so are its gradient and curvature in the
    latents: s times the curvature is then about that of `step_size` for 32 x 32 x 3 = 3072.
    """
    return step_size * min(1.0, 3072 / math.prod(image_shape))


class Adaptive(abc.ABC):
    """An abstract rule that changes the step sizes."""

    @property
    @abc.abstractmethod
    def state(self) -> dict: ...

    @property
    @abc.abstractmethod
    def value(self) -> tf.Tensor:
        """The current step sizes, [K, L]."""

    @abc.abstractmethod
    def build(self, num_steps: int, num_layers: int) -> None:
        """Creates the variables, under the scope of the strategy."""

    @abc.abstractmethod
    def adapt(
        self, inference: Inference, model: LatentModel, batch: Batch, seed: Seed
    ) -> dict[str, tf.Tensor]:
        """Changes the step sizes, in replica context.

        Returns:
          step_sizes: [K, L], after the change. candidates, values: [N], step sizes that were tried
            and their objectives.
        """


class GridSearch(Adaptive):
    """The rule that chooses the best single step size of a list.

    Args:
      objective: see `methods/latent/objectives.py`.
      candidates: step sizes; the first is used until the first call of `adapt`.
      num_images: images of a batch that are used, over all replicas.
    """

    def __init__(self, objective: Callable, candidates: Sequence[float], num_images: int):
        _check(candidates, num_images)
        self._objective, self._num_images = objective, num_images
        self._candidates = np.asarray(candidates, np.float32)

    @property
    def state(self) -> dict:
        return {"step_size": self._size}

    @property
    def value(self) -> tf.Tensor:
        return tf.fill(self._shape, self._size)

    def build(self, num_steps: int, num_layers: int):
        self._shape = (num_steps, num_layers)
        self._size = shared_variable(tf.constant(self._candidates[0], tf.float32))

    def adapt(self, inference, model, batch, seed):
        images = few(batch, self._num_images)

        def value(size):
            return self._objective(inference, model, images, tf.fill(self._shape, size), seed)

        values = over_replicas(tf.map_fn(value, self._candidates, parallel_iterations=1))
        explodes = ~tf.math.is_finite(values)
        best = tf.argmin(tf.where(explodes, values.dtype.max, values))
        self._size.assign(tf.gather(self._candidates, best))
        return {"step_sizes": self.value, "candidates": self._candidates, "values": values}


class Descent(Adaptive):
    """The rule that descends on the logarithm of the step sizes by Adam.

    Args:
      objective: see `methods/latent/objectives.py`.
      start: initial values; they must broadcast to the learned step sizes.
      per_step: whether each step k has its own step size.
      per_layer: whether each layer l has its own step size.
      optimizer: a Keras optimizer for the step sizes only.
      num_images: images of a batch that are used, over all replicas.
      limit: c, how large s lambda may be, see `curvature.py`; None for any.
    """

    def __init__(
        self,
        objective: Callable,
        start: float | Sequence[float] | Sequence[Sequence[float]],
        per_step: bool,
        per_layer: bool,
        optimizer: keras.optimizers.Optimizer,
        num_images: int,
        limit: float | None = None,
    ):
        _check(start, num_images)
        if limit is not None and not limit > 0:
            raise InputError(f"limit is {limit}: choose a positive number, or None")
        self._objective, self._start, self._num_images = objective, start, num_images
        self._limit = limit
        self._per_step, self._per_layer, self._optimizer = per_step, per_layer, optimizer

    @property
    def state(self) -> dict:
        return {"log_step_sizes": self._log_sizes, "step_size_optimizer": self._optimizer}

    @property
    def value(self) -> tf.Tensor:
        return tf.broadcast_to(tf.exp(self._log_sizes), self._shape)

    def build(self, num_steps: int, num_layers: int):
        self._shape = (num_steps, num_layers)
        self._own = (num_steps if self._per_step else 1, num_layers if self._per_layer else 1)
        try:
            start = np.broadcast_to(np.asarray(self._start, np.float32), self._own)
        except ValueError as error:
            raise InputError(
                f"start {self._start} does not broadcast to the step sizes learned, {self._own}"
            ) from error
        self._log_sizes = shared_variable(np.log(start))
        self._optimizer.build([self._log_sizes])

    def adapt(self, inference, model, batch, seed):
        images = few(batch, self._num_images)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._log_sizes)
            value = self._objective(inference, model, images, self.value, seed)
        gradient = over_replicas(tape.gradient(value, self._log_sizes))
        # With too large a step a chain diverges: such a gradient must not dominate Adam's moments.
        gradient = tf.clip_by_norm(gradient, 1.0)
        apply_mean(self._optimizer, [gradient], [self._log_sizes])
        if self._limit is not None:
            own = noise.stream(seed, "stable")
            shares = stable_shares(inference, model, images, self.value, self._limit, own)
            shares = over_replicas(shares if self._per_step else tf.reduce_min(shares)[None])
            self._log_sizes.assign_add(tf.math.log(tf.broadcast_to(shares[:, None], self._own)))
        return {"step_sizes": self.value, "values": over_replicas(value)[None]}


def few(batch: Batch, num: int) -> Batch:
    """Returns equally spaced rows of the global batch, the same for any number of replicas."""
    num_replicas = tf.distribute.get_replica_context().num_replicas_in_sync
    rows = tf.shape(batch["image"])[0]
    every = tf.maximum(1, rows * num_replicas // num)
    return {"image": batch["image"][::every]}


def _check(sizes, num_images: int):
    if not np.all(np.asarray(sizes) > 0):
        raise InputError(f"step sizes {sizes}: every one must be positive")
    if num_images < 1:
        raise InputError(f"num_images is {num_images}: choose at least one image")
