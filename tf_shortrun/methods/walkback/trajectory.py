"""Walks of an operator, away from the data and back, and their log probabilities in nats.

    away  q(s_1 .. s_K | s_0) = prod_t q_{T_t}(s_t | s_{t-1})
    back  p(s_0 .. s_K) = p*(s_K) prod_t p_{T_t}(s_{t-1} | s_t)

`away` is the heating (forward) walk, `back` the cooling (reverse) walk. The operator p is the
model; q is p or another operator. p* has independent components, with running moments of s_K.

References: A. Goyal, N. R. Ke, S. Ganguli, Y. Bengio, Variational walkback, NIPS 2017.
"""

from collections.abc import Callable

import tensorflow as tf

from tf_shortrun.core.shapes import Seed
from tf_shortrun.kernels import walk
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.walkback.moments import RunningMoments
from tf_shortrun.methods.walkback.transition import TransitionOperator


class Walker:
    """The walks of an operator p, away from the data and back.

    Args:
      operator: p.
      destruction: q; None for q = p.
    """

    def __init__(self, operator: TransitionOperator, destruction: TransitionOperator | None = None):
        self.operator = operator
        self.destruction = operator if destruction is None else destruction
        self.moments = RunningMoments(operator.state_shape)

    def away(self, data: tf.Tensor, temperatures: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Returns the states of a walk at temperatures [K, B], data first: [K + 1, B, ...]."""
        return self._walk(self.destruction, data, temperatures, seed, record=True)

    def back(
        self,
        start: tf.Tensor,
        temperatures: tf.Tensor,
        seed: Seed,
        clamp: Callable | None = None,
        record: bool = False,
    ) -> tf.Tensor:
        """Returns the end [B, ...] of a walk at temperatures [K]; or its states [K + 1, B, ...]."""
        return self._walk(self.operator, start, temperatures[:, None], seed, clamp, record)

    def start(self, num, seed: Seed) -> tf.Tensor:
        """Returns `num` draws from p*."""
        return self.operator.draw(self.moments.distribution(self.operator, num), seed)

    def log_back(self, before, after, temperatures) -> tf.Tensor:
        """Returns log p_T(before | after), states [K, B, ...]: [K, B], nats; 0 if a walk waits."""
        return _log_prob(self.operator, before, after, temperatures)

    def log_weights(self, data: tf.Tensor, temperatures: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Returns log p(s_0 .. s_K) - log q(s_1 .. s_K | s_0), one walk per example: [B], nats.

        Its mean is a lower bound of log p(s_0), and the mean of its exponential is p(s_0).
        """
        states = self.away(data, temperatures, seed)
        back = _log_prob(self.operator, states[:-1], states[1:], temperatures)
        away = _log_prob(self.destruction, states[1:], states[:-1], temperatures)
        rest = self.moments.distribution(self.operator, tf.shape(data)[0])
        return rest.log_prob(states[-1]) + tf.reduce_sum(back - away, axis=0)

    def _walk(self, operator, start, temperatures, seed, clamp=None, record=False) -> tf.Tensor:
        def move(position, temperature, seed):
            return operator.draw(operator.transition(position, temperature), seed)

        step = walk.make_step(move, clamp, record)
        temperatures = temperatures * tf.ones([tf.shape(start)[0]])
        end, info = unroll(step, walk.WalkState(start), temperatures, seed)
        return tf.concat([start[None], info.position], axis=0) if record else end.position


def _log_prob(operator, states, given, temperatures) -> tf.Tensor:
    """Returns log p_T(states | given), [K, B], by one call of the network for all K B states."""
    goes = temperatures > 0
    flat = [-1, *states.shape[2:]]
    heat = tf.reshape(tf.where(goes, temperatures, 1.0), [-1])
    distribution = operator.transition(tf.reshape(given, flat), heat)
    log_prob = tf.reshape(distribution.log_prob(tf.reshape(states, flat)), tf.shape(temperatures))
    return tf.where(goes, log_prob, 0.0)
