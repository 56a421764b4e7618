"""Measures the information in each layer of latents: by linear probes and by new draws.

Layers count from the bottom: layer L is the top, layer 1 the bottom.

References: G. Alain, Y. Bengio, Understanding intermediate layers using linear classifier
probes, ICLR workshop 2017. M. J. W. Jansen, Analysis of variance designs for model output,
Computer Physics Communications 1999.
"""

import dataclasses
import functools
import math
from typing import ClassVar

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import HasLatents, Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric, needs
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.arrays import to_float
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.evals import subset

_RIDGES = np.logspace(-1, 4, 6)


@dataclasses.dataclass(frozen=True)
class LayerProbes:
    """An eval: how well linear models predict labels and colours from the latents of each layer.

    `probe_accuracy/layer3`: share of test labels that logistic regression predicts correctly,
    if the data have two classes or more. `probe_colour_r2/layer3`: 1 - squared error / variance
    of the mean colour of test images by ridge regression, averaged over channels. For grey
    images this is the brightness, for strokes on black the amount of ink. Brightness dominates
    the mean colour: `probe_chroma_r2/layer3` is for the colour minus its mean over channels.
    Layer `all` means all layers together.

    Probes are fitted to the standardised latents of `num_train` training images and tested on
    those of `num_test` test images, both at equal distances in their split. The noise of batch b
    is fold(s, b), s from split(seed, 2): one for training, one for test.
    """

    metrics: ClassVar = {
        "probe_accuracy/*": Metric(
            "", "Share of labels that a linear probe of one layer, or of all, predicts correctly."
        ),
        "probe_colour_r2/*": Metric(
            "", "Share of variance of the mean colour that a linear probe predicts."
        ),
        "probe_chroma_r2/*": Metric(
            "", "As probe_colour_r2, for the colour without its brightness."
        ),
    }

    num_train: int
    num_test: int
    batch_size: int
    __post_init__ = check_counts

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, HasLatents, "LayerProbes")
        if len(dataset.test.images) < 2:
            raise InputError("LayerProbes needs at least two test images: take it out")

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns the score of every probe on every layer. Raises InputError if one has none."""
        self.check(learner, dataset)
        images, metrics = self._images(dataset), {}
        train, test = (
            _infer(learner, some.test_batches(self.batch_size), own)
            for some, own in zip(images, noise.split(seed, 2), strict=True)
        )
        for name, (probe, target) in _probes(*images).items():
            learned, true = (target(some.test) for some in images)
            for layer, latents in train.items():
                fitted = make_pipeline(StandardScaler(), probe).fit(latents, learned)
                metrics[f"{name}/{layer}"] = float(fitted.score(test[layer], true))
        return metrics

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence for each metric, the same for all layers."""
        images = self._images(dataset)
        num_train, num_test = (len(some.test.images) for some in images)
        return {
            f"{name}/*": (
                f"{type(probe).__name__} fitted to standardised latents of {num_train} "
                f"training images, tested on {num_test} test images of {dataset.name}."
            )
            for name, (probe, _) in _probes(*images).items()
        }

    def _images(self, dataset: Dataset) -> tuple[Dataset, Dataset]:
        """Returns the training images as a test split, and the test images."""
        train = dataclasses.replace(dataset, test=dataset.train)
        return subset.spread(train, self.num_train), subset.spread(dataset, self.num_test)


@dataclasses.dataclass(frozen=True)
class LayerShares:
    """An eval: the share of each layer in the change from one sample to another.

        layer_share/layer_l = E |g(z) - g(z with z'_l for z_l)|^2 / E |g(z) - g(z')|^2

    over `num` pairs z, z' from the prior: the total-effect index of Jansen 1999. Shares add up
    to 1 if the image is a sum of the effects of the layers, to more if layers interact. The
    noise of batch b is fold(seed, b).
    """

    metrics: ClassVar = {
        "layer_share/*": Metric("", "Change of samples if one layer is drawn anew; 1 if all are."),
    }

    num: int
    batch_size: int
    __post_init__ = check_counts
    check = needs(HasLatents)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns the share of every layer.

        Raises:
          InputError: if the learner has no latents.
        """
        self.check(learner, dataset)
        changes = tf.function(functools.partial(_changes, learner, self.batch_size))
        num_batches = math.ceil(self.num / self.batch_size)
        each = [changes(noise.fold(seed, b)) for b in range(num_batches)]
        *parts, whole = np.concatenate(each, axis=1)[:, : self.num].mean(axis=1, dtype=np.float64)
        layers = _layer_names(len(parts))
        return {f"layer_share/{l}": float(x / whole) for l, x in zip(layers, parts, strict=True)}

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence for each metric, the same for all layers."""
        del dataset
        return {
            "layer_share/*": (
                f"Mean squared change of {self.num} samples if one layer is drawn anew, divided "
                "by the change if all layers are drawn anew."
            )
        }


def _probes(train: Dataset, test: Dataset) -> dict:
    """Returns for each metric a linear model and the function from a split to its targets."""
    probes = {"probe_colour_r2": (RidgeCV(_RIDGES), _mean_colour)}
    if test.image_shape[-1] == 3:
        probes["probe_chroma_r2"] = (RidgeCV(_RIDGES), _mean_chroma)
    known, asked = train.test.labels, test.test.labels
    if min(known.min(), asked.min()) >= 0 and known.min() < known.max():
        probes["probe_accuracy"] = (LogisticRegression(max_iter=1000), lambda split: split.labels)
    return probes


def _mean_colour(split: Split) -> np.ndarray:
    """Returns the mean colours, [N, C] on [-1, 1]; a point is its own mean."""
    images = np.asarray(to_float(split.images))
    return images.mean(axis=tuple(range(1, images.ndim - 1)), dtype=np.float64)


def _mean_chroma(split: Split) -> np.ndarray:
    """Returns the mean colours minus their mean over channels, [N, C]."""
    colour = _mean_colour(split)
    return colour - colour.mean(axis=-1, keepdims=True)


def _infer(learner: HasLatents, batches: tf.data.Dataset, seed: Seed) -> dict[str, np.ndarray]:
    """Returns latents by layer name, top first, then `all` layers in one: [N, d_l] each."""
    # One signature for all batches, so that the smaller last batch causes no new trace.
    infer = tf.function(
        learner.infer, input_signature=[batches.element_spec, tf.TensorSpec([2], tf.int32)]
    )
    each = [infer(batch, noise.fold(seed, b)) for b, batch in enumerate(batches)]
    latents = [np.concatenate(layer) for layer in zip(*each, strict=True)]
    if not all(np.all(np.isfinite(z)) for z in latents):
        raise InputError("inferred latents are not finite: evaluate an earlier checkpoint")
    together = np.concatenate(latents, axis=1)
    return dict(zip(_layer_names(len(latents)), latents, strict=True)) | {"all": together}


def _layer_names(num_layers: int) -> list[str]:
    """Returns the names of the layers, top first."""
    return [f"layer{l}" for l in range(num_layers, 0, -1)]


def _changes(learner: HasLatents, num: int, seed: Seed) -> tf.Tensor:
    """Returns the mean squared change if each layer, then all layers, are new: [L + 1, num]."""
    kept, new = (learner.sample_latents(num, own) for own in noise.split(seed, 2))
    mixed = [[*kept[:l], new[l], *kept[l + 1 :]] for l in range(len(new))]
    before = learner.decode(kept)
    squares = [(learner.decode(latents) - before) ** 2 for latents in [*mixed, new]]
    return tf.stack([tf.reduce_mean(x, axis=list(range(1, x.shape.rank))) for x in squares])
