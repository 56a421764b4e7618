"""One Gaussian of the latents for each label, in closed form: there is nothing to train.

    p(z | y) = N(z; m_y, C_y),    p(y) = (n_y + 1) / (n + number of labels)
    n_c = #{i: y_i = c},          m_c = sum_c z / (n_c + 1),
    C_c = (I + sum_c z z^T) / (n_c + 1) - m_c m_c^T

with sums over the latents z of the examples of label c. Every label counts as if it had one more
example, a draw of the prior N(0, I): C_c is positive definite however few examples there are. The
released code of particle gradient descent can draw from such Gaussians of its particles.

References: J. Kuntz, J. N. Lim, A. M. Johansen, AISTATS 2023 (code).
"""

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.means import shared_variable
from tf_shortrun.core.passes import Passes
from tf_shortrun.core.shapes import Batch, Metrics, Seed


class LabelGaussians:
    """A `LatentDistribution` that draws latents of a given label.

    Args:
      width: d, of all latents as one vector.
      num_labels: labels are 0 to num_labels - 1; examples with other labels, as -1, are ignored.
    """

    def __init__(self, width: int, num_labels: int):
        if min(width, num_labels) < 1:
            raise InputError(
                f"LabelGaussians has width {width}, num_labels {num_labels}: choose numbers from 1 "
                "on"
            )
        check_most(width=width, num_labels=num_labels)
        self.image_shape = (width,)
        self._counts = shared_variable(tf.zeros([num_labels]))
        self._sums = shared_variable(tf.zeros([num_labels, width]))
        self._squares = shared_variable(tf.zeros([num_labels, width, width]))

    @property
    def state(self) -> dict:
        return {"counts": self._counts, "sums": self._sums, "squares": self._squares}

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Adds the batch to the sums. labelled: share of its examples that have a label."""
        del seed
        z, is_label = batch["image"], tf.one_hot(batch["label"], self._counts.shape[0])
        of_label = is_label[:, :, None] * z[:, None]  # [B, labels, d]
        totals = [
            tf.reduce_sum(is_label, axis=0),
            tf.reduce_sum(of_label, axis=0),
            tf.einsum("bci,bj->cij", of_label, z),
        ]
        replica = tf.distribute.get_replica_context()
        totals = replica.all_reduce(tf.distribute.ReduceOp.SUM, totals)
        for variable, total in zip((self._counts, self._sums, self._squares), totals, strict=True):
            variable.assign_add(total)
        return {"labelled": tf.reduce_mean(tf.reduce_sum(is_label, axis=1))}

    def passes(self, image: tf.Tensor) -> list[Passes]:
        """Returns nothing: no network is passed."""
        del image
        return []

    def label_counts(self) -> tf.Tensor:
        """Returns n_c, the number of examples of each label that were added: [number of labels]."""
        return tf.convert_to_tensor(self._counts)

    def moments(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns m_c [labels, d] and C_c [labels, d, d]."""
        total = self._counts[:, None] + 1.0
        mean = self._sums / total
        second = (tf.eye(*self.image_shape) + self._squares) / total[:, None]
        return mean, second - mean[:, :, None] * mean[:, None]

    def draw(self, num, seed: Seed) -> tf.Tensor:
        """Draws `num` vectors [num, d], each with a label of its own."""
        seeds = noise.split(seed, 2)
        counts = self.label_counts() + 1.0
        edges = tf.cumsum(counts / tf.reduce_sum(counts))[:-1]
        uniform = noise.uniform(seeds[0], [num, 1])[:, 0]
        return self.draw_of(tf.searchsorted(edges, uniform, side="right"), seeds[1])

    def draw_of(self, labels: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Draws a vector for each label: int32 [num] -> [num, d]."""
        mean, covariance = self.moments()
        xi = noise.normal(seed, [tf.shape(labels)[0], *self.image_shape])
        scale = tf.gather(tf.linalg.cholesky(covariance), labels)
        return tf.gather(mean, labels) + tf.linalg.matvec(scale, xi)
