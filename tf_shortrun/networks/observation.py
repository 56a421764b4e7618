"""Distributions of an observation, built from the outputs of a decoder."""

import dataclasses
import itertools
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.core.errors import InputError
from tf_shortrun.networks.signs import Signs

_LOG_SCALES = -7.0, 7.0  # on [-1, 1]; narrower distributions learn nothing from nearby levels


@keras.saving.register_keras_serializable("tf_shortrun")
def signs(logits: tf.Tensor) -> tfd.Distribution:
    """Returns the distribution of independent pixels -1 or 1; logits of 1 are [B, H, W, C]."""
    return tfd.Independent(Signs(logits), 3)


@keras.saving.register_keras_serializable("tf_shortrun")
@dataclasses.dataclass(frozen=True)
class LogisticMixture:
    """Mixtures of discretised logistic distributions over levels, one mixture for each pixel.

        P(x) = sum_k pi_k prod_c [ s((x_c + h - mu_kc) / s_kc) - s((x_c - h - mu_kc) / s_kc) ]

    with s(.) the logistic function, s_kc the scales, and h half the distance of two levels. The
    first and the last level also get the mass beyond them. All channels of a pixel share one
    component. x is a level, from -1 to 1 in even steps, and P(x) a probability mass.

    With `linear_channels`, the mean of a channel depends on the levels of the channels before it,
    by the same slopes in all components (in PixelCNN++ each component has its own):

        mu_kc + sum_{d < c} tanh(a_cd) x_d     in place of mu_kc

    With a `square` above 1, a pixel in all of this is a square of pixels, whose colours are its
    channels, from the upper left to the lower right. Slopes then reach from pixel to pixel within
    a square. The distribution stays a product over squares.

    Attributes:
      num_components: number of mixture components of a pixel.
      num_levels: 256 for bytes.
      linear_channels: whether means depend on the channels before.
      first_log_scale: added to each log scale. The outputs of a new decoder are near 0, so these
        are the scales at first; the scales of natural images are far below 1.
      square: side of the squares of pixels.

    References: T. Salimans, A. Karpathy, X. Chen, D. P. Kingma, PixelCNN++, ICLR 2017.
    """

    num_components: int
    num_levels: int
    linear_channels: bool = False
    first_log_scale: float = 0.0
    square: int = 1

    def __post_init__(self):
        if self.num_components < 1 or self.num_levels < 2 or self.square < 1:
            raise InputError(
                f"LogisticMixture has num_components {self.num_components}, num_levels "
                f"{self.num_levels}, square {self.square}: choose at least 1 component and 2 "
                "levels, and a square from 1 on"
            )

    def get_config(self) -> dict:
        """Returns what `keras.saving` needs to make it again."""
        return dataclasses.asdict(self)

    @classmethod
    def from_config(cls, config: dict) -> "LogisticMixture":
        return cls(**config)

    def num_outputs(self, channels: int) -> int:
        """Returns how many numbers the decoder must output for one square of pixels."""
        c = channels * self.square**2
        num_slopes = c * (c - 1) // 2 if self.linear_channels else 0
        return self.num_components * (1 + 2 * c) + num_slopes

    def __call__(self, outputs: tf.Tensor) -> "Levels":
        """Returns the distribution for decoder outputs [B, H / square, W / square, num_outputs]."""
        k, num = self.num_components, outputs.shape[-1]
        channels = next(c for c in itertools.count(1) if self.num_outputs(c) >= num)
        if self.num_outputs(channels) != num:
            raise InputError(
                f"the decoder makes {num} numbers for each square of pixels: this LogisticMixture "
                f"takes {self.num_outputs(1)} for grey images and {self.num_outputs(3)} for colour"
            )
        c = channels * self.square**2
        sizes = [k, k * c, k * c, num - k * (1 + 2 * c)]
        logits, locs, log_scales, slopes = tf.split(outputs, sizes, axis=-1)
        shape = [-1, *outputs.shape[1:3], k, c]
        log_scales = tf.reshape(log_scales, shape) + self.first_log_scale
        return Levels(
            logits,
            tf.reshape(locs, shape),
            tf.clip_by_value(log_scales, *_LOG_SCALES),
            tf.tanh(slopes) if self.linear_channels else None,
            self.num_levels,
            self.square,
        )


def outputs_for(mixture: LogisticMixture, image_shape: Sequence[int]) -> int:
    """Returns how many numbers the decoder of such images must output for one square of pixels."""
    return mixture.num_outputs(image_shape[-1])


class Levels(tfd.Distribution):
    """The distribution that `LogisticMixture` describes, of squares with C = S^2 channels numbers.

    Args:
      logits: of the components, [B, H, W, K].   locs, log_scales: [B, H, W, K, C].
      slopes: row by row, of number 1 in 0, of 2 in 0, of 2 in 1, and so on,
        [B, H, W, C (C - 1) / 2]; or None.
      square: S; an observation is [S H, S W, channels].
    """

    def __init__(
        self, logits, locs, log_scales, slopes, num_levels: int, square: int, name: str = "Levels"
    ):
        parameters = dict(locals())
        self.logits, self.locs, self.log_scales, self.slopes = logits, locs, log_scales, slopes
        self.num_levels, self.square = num_levels, square
        super().__init__(
            dtype=locs.dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    def _batch_shape_tensor(self):
        return tf.shape(self.locs)[:1]

    def _batch_shape(self):
        return self.locs.shape[:1]

    def _event_shape(self):
        sides = [self.square * n for n in self.locs.shape[1:3]]
        return tf.TensorShape([*sides, self.locs.shape[-1] // self.square**2])

    def _log_prob(self, x):
        half = 1.0 / (self.num_levels - 1)
        x = _join(x, self.square)[..., None, :]
        # Round to the nearest level: 17 levels stored as bytes differ slightly from exact levels.
        x = 2.0 * half * tf.round(x / (2.0 * half) + 0.5 / half) - 1.0
        inverse, locs = tf.exp(-self.log_scales), self._locs_given(x)
        upper = inverse * (x - locs + half)
        lower = inverse * (x - locs - half)
        # s(u) - s(l) = s(u) s(-l) (1 - exp(l - u)), exact in both tails.
        width = tf.math.log(-tf.math.expm1(-2.0 * half * inverse))
        inside = tf.math.log_sigmoid(upper) + tf.math.log_sigmoid(-lower) + width
        edge = 1.0 - half
        mass = tf.where(x < -edge, tf.math.log_sigmoid(upper), inside)
        mass = tf.where(x > edge, tf.math.log_sigmoid(-lower), mass)
        components = tf.reduce_sum(mass, -1) + tf.nn.log_softmax(self.logits)
        return tf.reduce_sum(tf.reduce_logsumexp(components, axis=-1), axis=[-2, -1])

    def _mean(self):
        """Returns the mean of the distributions before they are cut at the ends of [-1, 1].

        A channel depends on the means of the channels before it, which are cut.
        """
        means = self.locs
        for _ in range(1, self.locs.shape[-1]):  # each pass completes one more channel
            means = self._locs_given(tf.clip_by_value(means, -1.0, 1.0))
        mean = tf.reduce_sum(tf.nn.softmax(self.logits)[..., None] * means, axis=-2)
        return mean if self.square == 1 else tf.nn.depth_to_space(mean, self.square)

    def _locs_given(self, x):
        """Returns the means given the channels before, of x [..., K or 1, C]: [..., K, C]."""
        if self.slopes is None:
            return self.locs
        rows, columns = np.tril_indices(self.locs.shape[-1], -1)
        terms = self.slopes[..., None, :] * tf.gather(x, columns, axis=-1)
        return self.locs + tf.linalg.matmul(terms, tf.one_hot(rows, self.locs.shape[-1]))


def _join(x: tf.Tensor, side: int) -> tf.Tensor:
    """Returns x [..., H, W, C] with the pixels of a square as channels of one pixel."""
    if side == 1:
        return x
    joined = tf.nn.space_to_depth(tf.reshape(x, [-1, *x.shape[-3:]]), side)
    return tf.reshape(joined, tf.concat([tf.shape(x)[:-3], joined.shape[1:]], axis=0))
