"""Variational Walkback: one operator walks away from the data and learns to walk back.

    s_0 = x,   s_t ~ q_{T_t}(. | s_{t-1}),   t = 1 .. K,   q = p, the operator itself
    theta <- theta + Adam( grad_theta mean_t log p_{T_t}(s_{t-1} | s_t) )

The walk away is the heating (forward) walk, the walk back the cooling (reverse) walk. The states
are constants: no gradient reaches theta through the walk. The objective is the bound below
without -log q, whose gradient at constant states is 0 in expectation:

    log p(x) >= E_q[ log p*(s_K) + sum_t log p_{T_t}(s_{t-1} | s_t) - log q_{T_t}(s_t | s_{t-1}) ]

p* has the running moments of s_K. Samples start from p* and walk back while T falls to 1.

`objective='released'` trains, as the released code does, log p_{T_t}(s_{t-1} | s_{t-1}): the
operator is conditioned on the state whose probability it gives. This is a chain of auto-encoders,
which does not learn to walk back. It is here for comparison.

Each example draws its own number of steps at T = 1 (published: one number for a minibatch), so
that each update has walks of all lengths.

References: A. Goyal, N. R. Ke, S. Ganguli, Y. Bengio, Variational walkback: learning a
transition operator as a stochastic recurrent net, NIPS 2017, algorithm 1.
"""

import math
from collections.abc import Callable
from typing import Literal

import keras
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.means import over_replicas
from tf_shortrun.core.optimization import apply_mean
from tf_shortrun.core.shapes import Batch, Metrics, Seed
from tf_shortrun.kernels.walk import Heating
from tf_shortrun.methods.walkback.trajectory import Walker
from tf_shortrun.methods.walkback.transition import TransitionOperator


class Walkback:
    """A learner of a `TransitionOperator` by walks away from the data.

    Args:
      model: the operator.
      schedule: temperatures of the walk.
      optimizer: a Keras optimizer.
      num_still: steps at T = 1 before heating in `heat` and `log_weights`.
      extra_steps: steps at T = 1 after cooling in `sample`.
      destruction: q, the operator of the heating walk, e.g. `NoiseTransition`; None for the
        model itself, as published.
      heated: makes q of the model, in place of `destruction`, e.g. `FixedWidth`.
      objective: see the module.
      updates: `accumulated`, one for a walk; or `online`, one after each of its steps.
      level_width: width of uniform noise added to data: 2 / 255 makes the distribution of bytes
        continuous, as bits per dimension require.
      clip_norm: the largest norm of the gradient of a batch; None for no clipping.
    """

    def __init__(
        self,
        model: TransitionOperator,
        schedule: Heating,
        optimizer: keras.optimizers.Optimizer,
        num_still: int,
        extra_steps: int = 0,
        destruction: TransitionOperator | None = None,
        heated: Callable[[TransitionOperator], TransitionOperator] | None = None,
        objective: Literal["walkback", "released"] = "walkback",
        updates: Literal["accumulated", "online"] = "accumulated",
        level_width: float = 0.0,
        clip_norm: float | None = None,
    ):
        if not 0 <= num_still <= schedule.max_still:
            raise InputError(
                f"num_still is {num_still}: choose 0 to max_still, {schedule.max_still}"
            )
        if destruction is not None and heated is not None:
            raise InputError("destruction and heated both make the heating walk: give one of them")
        destruction = heated(model) if heated else destruction
        self.model, self.schedule, self.optimizer = model, schedule, optimizer
        self.walker = Walker(model, destruction)
        self._num_still, self._extra_steps = num_still, extra_steps
        self._objective, self._updates = objective, updates
        self._level_width, self._clip_norm = level_width, clip_norm
        # Slots must be created under the strategy's scope: inside a compiled step that would fail.
        optimizer.build(model.trainable_variables)

    @property
    def state(self) -> dict:
        return {"model": self.model, "optimizer": self.optimizer, **self.walker.moments.state}

    @property
    def image_shape(self) -> tuple[int, ...]:
        return tuple(self.model.state_shape)

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes heating walks from the batch and learns to walk back.

        loss: mean over the steps of a walk of -log p(s_{t-1} | s_t), nats.
        """
        data = self._data(batch, noise.stream(seed, "data"))
        uniform = noise.uniform(noise.stream(seed, "temperatures"), [tf.shape(data)[0], 1])[:, 0]
        num_still = tf.floor(uniform * (self.schedule.max_still + 1))
        temperatures = self.schedule.heating(num_still)
        learn = self._learn_online if self._updates == "online" else self._learn_accumulated
        loss, ends = learn(data, temperatures, noise.stream(seed, "walk"))
        self.walker.moments.update(ends)
        return {"loss": loss}

    def heat(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.walker.away(batch["image"], self._temperatures(batch), seed)

    def cool(self, num, seed: Seed) -> tf.Tensor:
        start, temperatures = self._start(num, noise.stream(seed, "start"))
        return self.walker.back(start, temperatures, noise.stream(seed, "walk"), record=True)

    def walk(self, state: tf.Tensor, num_steps: int, seed: Seed) -> tf.Tensor:
        return self.walker.back(state, tf.ones([num_steps]), seed)

    def sample(self, num, seed: Seed) -> tf.Tensor:
        start, temperatures = self._start(num, noise.stream(seed, "start"))
        return _in_range(self.walker.back(start, temperatures, noise.stream(seed, "walk")))

    def inpaint(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Samples as `sample` does, with observed pixels restored before every step."""

        def clamp(position):
            return tf.where(batch["mask"], batch["image"], position)

        start, temperatures = self._start(tf.shape(batch["image"])[0], noise.stream(seed, "start"))
        return _in_range(
            self.walker.back(clamp(start), temperatures, noise.stream(seed, "walk"), clamp)
        )

    def log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns log p(s_0 .. s_K) - log q(s_1 .. s_K | s_0), one walk per example: [B], nats."""
        data = self._data(batch, noise.stream(seed, "data"))
        return self.walker.log_weights(data, self._temperatures(batch), noise.stream(seed, "walk"))

    def _learn_accumulated(self, data, temperatures, seed) -> tuple[tf.Tensor, tf.Tensor]:
        states = self.walker.away(data, temperatures, seed)
        loss = self._update(states[:-1], states[1:], temperatures, _shares(temperatures))
        return loss, states[-1]

    def _learn_online(self, data, temperatures, seed) -> tuple[tf.Tensor, tf.Tensor]:
        state, shares, losses = data, _shares(temperatures), []
        for k in range(temperatures.shape[0]):
            t = slice(k, k + 1)
            pair = self.walker.away(state, temperatures[t], noise.fold(seed, k))
            losses.append(self._update(pair[:1], pair[1:], temperatures[t], shares[t]))
            state = pair[1]
        return tf.add_n(losses), state

    def _update(self, before, after, temperatures, shares) -> tf.Tensor:
        """Makes one step of the optimizer on mean_b sum_t -shares log p(before | after)."""
        given = before if self._objective == "released" else after
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            log_prob = self.walker.log_back(before, given, temperatures)
            loss = -tf.reduce_mean(tf.reduce_sum(shares * log_prob, axis=0))
        gradients = tape.gradient(loss, variables)
        if self._clip_norm is not None:
            # Over the whole batch: a Keras optimizer clips the gradient of each replica instead.
            gradients, _ = tf.clip_by_global_norm(over_replicas(gradients), self._clip_norm)
        apply_mean(self.optimizer, gradients, variables)
        return loss

    def _start(self, num, seed: Seed) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the start of `num` samples, from p*, and the temperatures of their walk."""
        still = tf.ones([self._extra_steps])
        temperatures = tf.concat([self.schedule.cooling(), still], axis=0)
        return self.walker.start(num, seed), temperatures

    def _temperatures(self, batch: Batch) -> tf.Tensor:
        num = tf.shape(batch["image"])[0]
        return self.schedule.heating(tf.fill([num], float(self._num_still)))

    def _data(self, batch: Batch, seed: Seed) -> tf.Tensor:
        data = batch["image"]
        if not self._level_width:
            return data
        shape = [tf.shape(data)[0], *self.model.state_shape]
        uniform = noise.uniform(seed, [shape[0], math.prod(shape[1:])])
        return data + self._level_width * (tf.reshape(uniform, shape) - 0.5)


def _shares(temperatures: tf.Tensor) -> tf.Tensor:
    """Returns the weight of each step in its walk, 1 / (number of steps): [K, B]."""
    goes = tf.cast(temperatures > 0, tf.float32)
    return goes / tf.reduce_sum(goes, axis=0)


def _in_range(states: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(states, -1.0, 1.0)
