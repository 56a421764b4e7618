"""Variational Walkback: one operator leaves the data while heated, and learns to walk back.

    s_0 = x,   s_t ~ q_{T_t}(. | s_{t-1}),   t = 1 .. K,   q = p, the operator itself
    theta <- theta + Adam( grad_theta mean_t log p_{T_t}(s_{t-1} | s_t) )

The states are constants: nothing flows into theta through the walk. What is climbed is the
bound below without its -log q, whose gradient is 0 in expectation where the states are given:

    log p(x) >= E_q[ log p*(s_K) + sum_t log p_{T_t}(s_{t-1} | s_t) - log q_{T_t}(s_t | s_{t-1}) ]

p* has the running moments of s_K. Samples begin there and walk back, T falling to 1.

`objective='released'` is what the released code trains instead, log p_{T_t}(s_{t-1} | s_{t-1}):
the operator evaluated at the state that it scores, a chain of auto-encoders in which nothing
walks back. It is here to be compared with.

Every example draws its own number of steps at T = 1 (published: one number for a minibatch),
so that each update sees walks of every length.

References: A. Goyal, N. R. Ke, S. Ganguli, Y. Bengio, Variational walkback: learning a
transition operator as a stochastic recurrent net, NIPS 2017, algorithm 1.
"""

import math
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
    """Learner of a `TransitionOperator`.

    Args:
      model: the operator.
      schedule: temperatures of the walk.
      optimizer: a Keras optimizer.
      num_still: steps at T = 1 before heating in `heat` and `log_weights`.
      extra_steps: steps at T = 1 after cooling in `sample`.
      destruction: what leaves the data in place of the model, e.g. `NoiseTransition`; None
        ties it to the model, as published.
      objective: see above.
      updates: `accumulated`, one for a walk; or `online`, one after each of its steps.
      level_width: uniform noise of this width is added to data: 2 / 255 spreads bytes over
        the line, as bits per dimension need it.
      clip_norm: no gradient of a batch is longer; None leaves them as they are.
    """

    def __init__(
        self,
        model: TransitionOperator,
        schedule: Heating,
        optimizer: keras.optimizers.Optimizer,
        num_still: int,
        extra_steps: int = 0,
        destruction: TransitionOperator | None = None,
        objective: Literal["walkback", "released"] = "walkback",
        updates: Literal["accumulated", "online"] = "accumulated",
        level_width: float = 0.0,
        clip_norm: float | None = None,
    ):
        if not 0 <= num_still <= schedule.max_still:
            raise InputError(
                f"num_still is {num_still}: choose 0 to max_still, {schedule.max_still}"
            )
        self.model, self.schedule, self.optimizer = model, schedule, optimizer
        self.walker = Walker(model, destruction)
        self._num_still, self._extra_steps = num_still, extra_steps
        self._objective, self._updates = objective, updates
        self._level_width, self._clip_norm = level_width, clip_norm
        # Here, under the strategy's scope: slots made inside a compiled step would fail.
        optimizer.build(model.trainable_variables)

    @property
    def state(self) -> dict:
        return {"model": self.model, "optimizer": self.optimizer, **self.walker.moments.state}

    @property
    def image_shape(self) -> tuple[int, ...]:
        return tuple(self.model.state_shape)

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Walks away from the batch and learns to walk back.

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
        """As `sample`, with the observed pixels put back before every step."""

        def clamp(position):
            return tf.where(batch["mask"], batch["image"], position)

        start, temperatures = self._start(tf.shape(batch["image"])[0], noise.stream(seed, "start"))
        return _in_range(
            self.walker.back(clamp(start), temperatures, noise.stream(seed, "walk"), clamp)
        )

    def log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """log p(s_0 .. s_K) - log q(s_1 .. s_K | s_0) of one walk for each example: [B], nats."""
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
        """One step of the optimizer; the loss is mean_b sum_t -shares log p(before | after)."""
        given = before if self._objective == "released" else after
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            log_prob = self.walker.log_back(before, given, temperatures)
            loss = -tf.reduce_mean(tf.reduce_sum(shares * log_prob, axis=0))
        gradients = tape.gradient(loss, variables)
        if self._clip_norm is not None:
            # Of the whole batch: what a Keras optimizer clips is each replica's own gradient.
            gradients, _ = tf.clip_by_global_norm(over_replicas(gradients), self._clip_norm)
        apply_mean(self.optimizer, gradients, variables)
        return loss

    def _start(self, num, seed: Seed) -> tuple[tf.Tensor, tf.Tensor]:
        """Where samples begin, and the temperatures of their way."""
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
    """Of each step in its walk: [K, B]."""
    goes = tf.cast(temperatures > 0, tf.float32)
    return goes / tf.reduce_sum(goes, axis=0)


def _in_range(states: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(states, -1.0, 1.0)
