"""Evals and pictures of binary codes: the use of their bits, and chains of their prior."""

import dataclasses
from typing import ClassVar

import numpy as np
import tensorflow as tf
from scipy.special import entr

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import HasLatents, LacksPartition, Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.evaluation import Metric, needs
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals import subset
from tf_shortrun.evals.pictures import plots, strips
from tf_shortrun.evals.pictures.grids import Pictures, compiled, pick_batch
from tf_shortrun.evals.pictures.tiles import stack
from tf_shortrun.kernels import gibbs
from tf_shortrun.kernels.unroll import unroll

_RARE = 0.01  # a bit that fewer codes set (or leave unset) counts as constant


@dataclasses.dataclass(frozen=True)
class CodeStatistics:
    """An eval: the share s_i of test images, and r_i of draws of the prior, that set bit i.

        dead_bits    = share of the bits with s_i < 0.01 or s_i > 0.99
        code_entropy = -sum_i s_i log s_i + (1 - s_i) log(1 - s_i)     an upper bound, nats
        prior_shift  = mean_i |s_i - r_i|

    Each of `num_images` test images gives one code, all in one batch, and the prior as many
    draws. If codes and prior agree, prior_shift is still up to 0.6 / sqrt(num_images) by chance.
    """

    metrics: ClassVar = {
        "dead_bits": Metric("lower", "Share of code bits that almost always have the same value."),
        "code_entropy": Metric(
            "", "Entropy of codes if bits were independent: an upper bound, nats."
        ),
        "prior_shift": Metric(
            "lower", "Mean difference of prior and codes in how often a bit is set."
        ),
    }

    num_images: int
    __post_init__ = check_counts
    check = needs(LacksPartition, HasLatents)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns all metrics.

        Raises:
          InputError: if the learner has no binary latents.
        """
        self.check(learner, dataset)
        codes, prior = _shares(learner, dataset, self.num_images, seed)
        return {
            "dead_bits": float(np.mean(np.minimum(codes, 1.0 - codes) < _RARE)),
            "code_entropy": float(np.sum(entr(codes) + entr(1.0 - codes))),
            "prior_shift": float(np.mean(np.abs(codes - prior))),
        }

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence for each metric: how it was measured."""
        made = f"one code for each of {subset.phrase(dataset, self.num_images)}"
        return {
            "dead_bits": f"Share of bits set in less than 1 % or more than 99 %: {made}.",
            "code_entropy": f"Sum of the entropies of single bits, an upper bound, nats: {made}.",
            "prior_shift": (
                "Mean difference of how often a bit is set in codes and in as many draws of the "
                f"prior: {made}."
            ),
        }


@dataclasses.dataclass(frozen=True)
class CodeUsage:
    """The picture `code_usage`: a bar for each bit, as high as the share of codes that set it.

    Above, codes of `num_images` test images, one each, with bits in the order of their shares.
    Below, as many draws of the prior, with bits in the same order. Ticks repeat the upper shares.
    """

    captions: ClassVar = {
        "code_usage": (
            "A bar for each bit, as high as the share of codes that set it. Above, codes of test "
            "images, with bits in the order of their shares; below, draws of the prior, with bits "
            "in the same order. Lower bars should end at the orange ticks. A bit whose upper bar "
            "is full or empty carries no information about the image."
        ),
    }

    num_images: int
    __post_init__ = check_counts
    check = needs(LacksPartition, HasLatents)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(learner, dataset)
        codes, prior = _shares(learner, dataset, self.num_images, seed)
        order = np.argsort(-codes, kind="stable")
        ticks = codes[order]
        panels = [plots.bars(ticks, ticks), plots.bars(prior[order], ticks)]
        return {"code_usage": stack(panels)}


@dataclasses.dataclass(frozen=True)
class GibbsStrips:
    """The picture `gibbs_chains`: decoded chains of the prior, from codes of `num` test images.

    Each row shows `frames` equally spaced states of a chain of `num_sweeps` Gibbs sweeps.
    """

    captions: ClassVar = {
        "gibbs_chains": (
            "Each row starts from the code of a test image and shows decoded states of a chain of "
            "Gibbs sweeps of the prior. If the prior mixes, the chain leaves the image and reaches "
            "others. If the prior fits the codes, all states decode to good images."
        ),
    }

    num: int
    frames: int
    num_sweeps: int

    def __post_init__(self):
        check_counts(self, frames=2)

    check = needs(LacksPartition, HasLatents)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> Pictures:
        self.check(learner, dataset)
        seeds = noise.split(seed, 2)
        (start,) = compiled(learner.infer)(pick_batch(dataset, self.num), seeds[0])
        states = tf.function(self._walk, autograph=False)(learner, start, seeds[1])
        shown = strips.pick(states, self.frames)
        images = compiled(learner.decode)([tf.reshape(shown, [-1, shown.shape[-1]])])
        images = np.reshape(images, [*shown.shape[:2], *dataset.image_shape])
        return {"gibbs_chains": strips.draw(images, dataset)}

    def _walk(self, learner: LacksPartition, start: tf.Tensor, seed: Seed) -> tf.Tensor:
        """Returns the states of the chains, [K + 1, B, m], the start first."""
        path = learner.prior_path()
        sweep = gibbs.make_step(path.hidden_logits, path.visible_logits)

        def step(state, betas, seed):
            state, _ = sweep(state, betas, seed)
            return state, state.visible

        _, states = unroll(step, gibbs.init(start), gibbs.sweeps(self.num_sweeps), seed)
        return tf.concat([start[None], states], axis=0)


def _shares(learner, dataset: Dataset, num: int, seed: Seed) -> tuple[np.ndarray, np.ndarray]:
    """Returns the share that sets each bit, of codes and of draws of the prior: [m] each."""
    num = min(num, len(dataset.test.images))
    seeds = noise.split(seed, 2)
    (codes,) = compiled(learner.infer)(pick_batch(dataset, num), seeds[0])
    (prior,) = compiled(learner.sample_latents)(num, seeds[1])
    return np.mean(codes, axis=0, dtype=np.float64), np.mean(prior, axis=0, dtype=np.float64)
