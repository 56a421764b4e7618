"""A label as an input of the top layer: its code is added to the noise that enters the generator.

    x ~ N(g(z), sigma^2 I),   z_L = eps_L + a e_y,   eps_L ~ N(0, I),   p(y) = (n_y + 1) / (n + C)

e_y are C unit vectors, drawn once, orthogonal if the layer is as wide; a is their distance from the
origin, and n_y counts the training examples of label y. In terms of z the top layer has a mixture
as prior, with one Gaussian for each label, and a label is one more observation:

    p(z_L) = sum_y p(y) N(z_L; a e_y, I),     log p(x, z, y) = log p(x, z) + log p(y | z)

An example without a label, as those are that are only explained, has log p(x, z) alone. All
densities are exact and normalised.
"""

import numpy as np
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can, only_if
from tf_shortrun.core.contracts import StartsAtMean
from tf_shortrun.core.counts import check_most
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.shapes import Batch, Latents, Metrics, Seed
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import NormalPriorModel


class LabelCodes(NormalPriorModel):
    """A generator whose top layer gets the code of a label.

    Args:
      generator: the model p(x | z) of the images.
      num_labels: C; labels are 0 to C - 1, and -1 is none.
      distance: a, in standard deviations of the noise.
    """

    def __init__(self, generator: NormalPriorModel, num_labels: int, distance: float):
        super().__init__(generator.latent_widths, float(generator.sigma.numpy()))
        if num_labels < 1 or not distance > 0:
            raise InputError(
                f"LabelCodes has num_labels {num_labels}, distance {distance}: choose at least one "
                "label, and a positive distance"
            )
        check_most(num_labels=num_labels)
        self.generator = generator
        self._codes = distance * _unit_vectors(num_labels, self.latent_widths[0])
        self.label_counts = self.add_weight(
            name="label_counts",
            shape=(num_labels,),
            initializer="zeros",
            trainable=False,
            aggregation="only_first_replica",
        )
        self._finish()

    def call(self, latents: Latents) -> tf.Tensor:
        return self.generator(latents)

    @only_if(lambda self: can(self.generator, StartsAtMean))
    def start_at(self, mean: tf.Tensor):
        """Lets the generator begin at the mean colour of the data."""
        self.generator.start_at(mean)

    @property
    def prior(self) -> list[tfd.Distribution]:
        """The distribution of each layer of z, top to bottom; the first is a mixture."""
        codes = tfd.Independent(tfd.Normal(tf.constant(self._codes), 1.0), 1)
        labels = tfd.Categorical(logits=self._log_shares())
        return [tfd.MixtureSameFamily(labels, codes), *super().prior[1:]]

    def log_label(self, latents: Latents) -> tf.Tensor:
        """Returns log p(y | z) of every label: [B, C]."""
        near = tf.matmul(latents[0], self._codes, transpose_b=True)  # all codes are as long
        return tf.nn.log_softmax(near + self._log_shares())

    def log_joint_of(self, batch: Batch):
        """Returns log p(x, z, y) as a function of the latents; log p(x, z) without a label."""
        log_joint = super().log_joint_of(batch)
        if "label" not in batch:
            return log_joint
        is_label = tf.one_hot(batch["label"], len(self._codes))  # nothing for -1
        return lambda z: log_joint(z) + tf.reduce_sum(is_label * self.log_label(z), axis=-1)

    def sample_latents(self, num, seed: Seed) -> Latents:
        """Returns `num` draws, each with a label of its own: [num, d_l] for each layer."""
        return self.sample_latents_of(tf.fill([num], -1), seed)

    def start_of(self, batch: Batch, seed: Seed) -> Latents:
        """Returns a draw given the label of each example, if it has one."""
        if "label" not in batch:
            return super().start_of(batch, seed)
        return self.sample_latents_of(batch["label"], seed)

    def sample_latents_of(self, labels: tf.Tensor, seed: Seed) -> Latents:
        """Draws latents given labels, int32 [num]; -1 stands for any label."""
        seeds = noise.split(seed, 2)
        num = tf.shape(labels)[0]
        top, *below = super().sample_latents(num, seeds[0])
        edges = tf.cumsum(tf.exp(self._log_shares()))[:-1]
        drawn = tf.searchsorted(edges, noise.uniform(seeds[1], [num, 1])[:, 0], side="right")
        codes = tf.gather(self._codes, tf.where(labels < 0, drawn, labels))
        return [top + codes, *below]

    def count(self, labels: tf.Tensor):
        """Adds examples of these labels to the counts; called in replica context."""
        number = tf.reduce_sum(tf.one_hot(labels, len(self._codes)), axis=0)
        replica = tf.distribute.get_replica_context()
        self.label_counts.assign_add(replica.all_reduce(tf.distribute.ReduceOp.SUM, number))

    def _log_shares(self) -> tf.Tensor:
        """Returns log p(y): [C]."""
        counts = tf.convert_to_tensor(self.label_counts) + 1.0
        return tf.math.log(counts / tf.reduce_sum(counts))


class LabelledLikelihood(LatentLikelihood):
    """A `LatentLikelihood` of a generator with `LabelCodes`, which draws images of a label."""

    model: LabelCodes

    def train_step(self, batch: Batch, seed: Seed) -> Metrics:
        """Counts the labels, then makes the update of `LatentLikelihood`."""
        self.model.count(batch["label"])
        return super().train_step(batch, seed)

    def sample_of(self, labels: tf.Tensor, seed: Seed) -> tf.Tensor:
        return self.decode(self.model.sample_latents_of(labels, seed))

    def label_counts(self) -> tf.Tensor:
        """Returns how many examples of each label were learned from, with repetitions: [C]."""
        return tf.convert_to_tensor(self.model.label_counts)


def _unit_vectors(num: int, width: int) -> np.ndarray:
    """Returns unit vectors [num, width] that are always the same, orthogonal if they can be."""
    drawn = np.random.default_rng(0).standard_normal((num, width))
    if num <= width:
        drawn = np.linalg.qr(drawn.T)[0].T
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)
