"""A label as an input of the top layer: its code is added to the noise that enters the generator.

    x ~ N(g(z), sigma^2 I),   z_L = eps_L + a e_y,   eps_L ~ N(0, I),   p(y) = (n_y + 1) / (n + C)

e_y are C unit vectors, drawn once, orthogonal if the layer is as wide; a is their distance from the
origin, and n_y counts the training examples of label y. In terms of z the top layer has a mixture
as prior, with one Gaussian for each label, and a label is one more observation:

    p(z_L) = sum_y p(y) N(z_L; a e_y, I),     log p(x, z, y) = log p(x, z) + log p(y | z)

An example without a label, as those are that are only explained, has log p(x, z) alone. All
densities are exact and normalised.
"""

import keras
import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.core import noise
from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Latents, Seed


class LabelCodes(keras.layers.Layer):
    """The codes of labels, and how often each label was seen.

    Args:
      num_labels: C; labels are 0 to C - 1, and -1 is none.
      distance: a, in standard deviations of the noise.
    """

    def __init__(self, num_labels: int, distance: float):
        super().__init__(dtype="float32")
        if num_labels < 1 or not distance > 0:
            raise InputError(
                f"LabelCodes has num_labels {num_labels}, distance {distance}: choose at least one "
                "label, and a positive distance"
            )
        check_most(num_labels=num_labels)
        self._num_labels, self._distance = num_labels, distance
        self.counts = self.add_weight(
            name="label_counts",
            shape=(num_labels,),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )

    def codes(self, width: int) -> np.ndarray:
        """Returns a e_y of a layer of this width: [C, width], always the same."""
        drawn = np.random.default_rng(0).standard_normal((self._num_labels, width))
        if self._num_labels <= width:
            drawn = np.linalg.qr(drawn.T)[0].T
        unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return (self._distance * unit).astype(np.float32)

    def prior(self, width: int) -> tfd.Distribution:
        """Returns p(z_L), a mixture."""
        parts = tfd.Independent(tfd.Normal(tf.constant(self.codes(width)), 1.0), 1)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=self._log_shares()), parts)

    def log_label(self, top: tf.Tensor) -> tf.Tensor:
        """Returns log p(y | z_L) of every label: [B, d_L] -> [B, C]."""
        near = tf.matmul(top, self.codes(top.shape[-1]), transpose_b=True)  # all are as long
        return tf.nn.log_softmax(near + self._log_shares())

    def log_label_of(self, top: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Returns log p(y | z_L) of one label each, 0 where it is -1: [B]."""
        return tf.reduce_sum(tf.one_hot(labels, self._num_labels) * self.log_label(top), axis=-1)

    def add(self, latents: Latents, labels: tf.Tensor, seed: Seed) -> Latents:
        """Adds the code of each label to the top layer, of a drawn one where it is -1."""
        top, *below = latents
        edges = tf.cumsum(tf.exp(self._log_shares()))[:-1]
        uniform = noise.uniform(seed, [tf.shape(labels)[0], 1])[:, 0]
        drawn = tf.searchsorted(edges, uniform, side="right")
        codes = tf.gather(self.codes(top.shape[-1]), tf.where(labels < 0, drawn, labels))
        return [top + codes, *below]

    def count(self, labels: tf.Tensor):
        """Adds examples of these labels to the counts; called in replica context."""
        number = tf.reduce_sum(tf.one_hot(labels, self._num_labels), axis=0)
        replica = tf.distribute.get_replica_context()
        self.counts.assign_add(replica.all_reduce(tf.distribute.ReduceOp.SUM, number))

    def _log_shares(self) -> tf.Tensor:
        """Returns log p(y): [C]."""
        counts = tf.convert_to_tensor(self.counts) + 1.0
        return tf.math.log(counts / tf.reduce_sum(counts))
