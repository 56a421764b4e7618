"""A generative stochastic network (GSN), which learns to undo one step of noise.

    x~ ~ C(. | x),   theta <- theta + Adam( grad_theta mean_b log p(x_b | x~_b) )
    sampling:  x~ ~ C(. | x),  x ~ p(. | x~),  repeated

If p is the exact posterior of x, the stationary distribution of the chain is that of the data. The
temperature is always T = 1: a baseline for the heating and cooling walks.

References: Y. Bengio, E. Thibodeau-Laufer, G. Alain, J. Yosinski, Deep generative stochastic
networks trainable by backprop, ICML 2014.
"""

import keras
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.counts import check_length
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimization import descend
from tf_shortrun.core.shapes import Batch, Metrics, Seed
from tf_shortrun.kernels import walk
from tf_shortrun.kernels.unroll import unroll
from tf_shortrun.methods.walkback.moments import RunningMoments
from tf_shortrun.methods.walkback.transition import TransitionOperator


class Denoising:
    """A learner of a `TransitionOperator` that undoes the noise of another operator.

    Args:
      model: p, the operator with parameters.
      corruption: C, e.g. `NoiseTransition`.
      optimizer: a Keras optimizer.
      num_steps: steps of a sampling chain, each noise and denoising. The chain starts from noise
        with the mean and the variance of the data.
    """

    def __init__(
        self,
        model: TransitionOperator,
        corruption: TransitionOperator,
        optimizer: keras.optimizers.Optimizer,
        num_steps: int,
    ):
        if num_steps < 1:
            raise InputError(f"num_steps is {num_steps}: choose at least one")
        check_length(num_steps)
        self.model, self.optimizer = model, optimizer
        self._corruption, self._num_steps = corruption, num_steps
        self._moments = RunningMoments(model.state_shape)
        # Slots must be created under the strategy's scope: inside a compiled step that would fail.
        optimizer.build(model.trainable_variables)

    @property
    def state(self) -> dict:
        return {"model": self.model, "optimizer": self.optimizer, **self._moments.state}

    @property
    def image_shape(self) -> tuple[int, ...]:
        return tuple(self.model.state_shape)

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Makes one update. loss: mean of -log p(x | x~), nats."""
        data = batch["image"]
        noisy = _move(self._corruption, data, seed)
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(_distribution(self.model, noisy).log_prob(data))
        descend(self.optimizer, variables, loss, tape)
        self._moments.update(data)
        return {"loss": loss}

    def heat(self, batch: Batch, seed: Seed) -> tf.Tensor:
        """Returns the data, and the data with noise: [2, B, ...]."""
        data = batch["image"]
        return tf.stack([data, _move(self._corruption, data, seed)])

    def cool(self, num, seed: Seed) -> tf.Tensor:
        start = self._start(num, noise.stream(seed, "start"))
        _, info = self._turns(start, self._num_steps, noise.stream(seed, "walk"), record=True)
        return tf.concat([start[None], info.position], axis=0)

    def walk(self, state: tf.Tensor, num_steps: int, seed: Seed) -> tf.Tensor:
        return self._turns(state, num_steps, seed)[0].position

    def sample(self, num, seed: Seed) -> tf.Tensor:
        samples = self.walk(
            self._start(num, noise.stream(seed, "start")),
            self._num_steps,
            noise.stream(seed, "walk"),
        )
        return tf.clip_by_value(samples, -1.0, 1.0)

    def _start(self, num, seed: Seed) -> tf.Tensor:
        return self.model.draw(self._moments.distribution(self.model, num), seed)

    def _turns(self, start: tf.Tensor, num_steps: int, seed: Seed, record: bool = False):
        def move(position, temperature, seed):
            del temperature  # always 1
            noisy = _move(self._corruption, position, noise.stream(seed, "corruption"))
            return _move(self.model, noisy, noise.stream(seed, "denoising"))

        step = walk.make_step(move, record=record)
        controls = tf.ones([num_steps, 1]) * tf.ones([tf.shape(start)[0]])
        return unroll(step, walk.WalkState(start), controls, seed)


def _distribution(operator: TransitionOperator, states: tf.Tensor):
    return operator.transition(states, tf.ones([tf.shape(states)[0]]))


def _move(operator: TransitionOperator, states: tf.Tensor, seed: Seed) -> tf.Tensor:
    return operator.draw(_distribution(operator, states), seed)
