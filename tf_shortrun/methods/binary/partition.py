"""The constant of a prior that Gibbs sweeps sample, and likelihoods that know it.

    log Z ~ log Z_A + log 1/C sum_c w_c        there: annealed from independent bits
    log Z ~ log Z_A - log 1/C sum_c w_c        back: annealed from draws of the prior

There, E[log of the mean] <= log Z: too low, so that likelihoods look too good. Back, it is too
high, if the draws that chains begin at are those of the prior: the conservative side.

References:
  R. Salakhutdinov, I. Murray, On the quantitative analysis of deep belief networks, ICML 2008.
  Y. Burda, R. Grosse, R. Salakhutdinov, Accurate and conservative estimates of MRF log-likelihood
    using reverse annealing, AISTATS 2015.
"""

import dataclasses
import math
from typing import ClassVar, NamedTuple

import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import require
from tf_shortrun.core.contracts import LacksPartition, Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.core.shapes import Batch, Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.likelihood import ImportanceSampling
from tf_shortrun.kernels import gibbs
from tf_shortrun.methods.binary.annealed_chains import AnnealedChains, anneal, deviation


class Partition(NamedTuple):
    """What annealing says of log Z, nats.

    there, back: the two estimates.   deviation: 3 standard deviations of the first, to first
    order; it does not know of modes that no chain has found.
    """

    there: float
    back: float
    deviation: float


@dataclasses.dataclass(frozen=True)
class Annealing:
    """Called with a learner and a seed, estimates its `Partition`.

    Attributes:
      num_chains: C, in each direction.
      num_steps: K, temperatures.
    """

    num_chains: int
    num_steps: int

    def __post_init__(self):
        check_counts(self, num_chains=2)

    def __call__(self, learner: LacksPartition, seed: Seed) -> Partition:
        base, there, back = self.run(learner, seed)
        return Partition(
            there=float(base + there.log_means[-1]),
            back=float(base - back.log_means[-1]),
            deviation=deviation(there.log_weights),
        )

    def run(
        self, learner: LacksPartition, seed: Seed
    ) -> tuple[float, AnnealedChains, AnnealedChains]:
        """log Z_A, and the chains there and back; float64."""

        @tf.function(autograph=False)
        def both():
            path, seeds = learner.prior_path(), noise.split(seed, 4)
            controls = gibbs.annealing(self.num_steps)
            bits = gibbs.draw(tf.repeat(path.base[None], self.num_chains, axis=0), seeds[0])
            (prior,) = learner.sample_latents(self.num_chains, seeds[1])
            there = anneal(path, bits, controls, seeds[2])
            back = anneal(path, prior, controls[::-1, ::-1], seeds[3])
            return path.log_partition_base, there, back

        return tf.nest.map_structure(lambda x: x.numpy(), both())

    @property
    def description(self) -> str:
        return (
            f"annealed importance sampling, {self.num_chains} chains of "
            f"{self.num_steps} temperatures"
        )


@dataclasses.dataclass(frozen=True)
class PartitionedLikelihood:
    """How probable observations are under a learner whose prior lacks its constant.

    Runs `importance` with log Z as estimated there. Adds to its numbers

        nll          = -log_likelihood/importance
        nll/back     = the same with log Z as estimated back
        bits_per_dim = nll / (D log 2)

    and `log_partition`, `log_partition/back`, `log_partition/deviation` (3 sigma). Observations
    are levels, and have probabilities: no width of a level enters.
    """

    metrics: ClassVar = {
        "nll": Metric("lower", "Negative log-likelihood of test examples, nats each."),
        "nll/back": Metric("lower", "As nll, with log_partition/back: the conservative side."),
        "log_partition": Metric("", "log Z of the prior, annealed from independent bits, nats."),
        "log_partition/back": Metric("", "As log_partition, annealed from draws of the prior."),
        "log_partition/deviation": Metric("lower", "Three standard deviations of log_partition."),
        **ImportanceSampling.metrics,
    }

    annealing: Annealing
    importance: ImportanceSampling

    def __post_init__(self):
        if self.importance.level_width is not None:
            raise InputError(
                f"level_width is {self.importance.level_width}: it is for densities, and "
                "PartitionedLikelihood is for probabilities; leave it out"
            )

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """All numbers, nats but for the bits.

        Raises:
          InputError: if the learner has no such prior.
        """
        require(learner, LacksPartition, "PartitionedLikelihood")
        partition = self.annealing(learner, noise.stream(seed, "partition"))
        known = _Normalised(learner, partition.there)
        metrics = self.importance(known, dataset, noise.stream(seed, "importance"))
        nll = -metrics["log_likelihood/importance"]
        return metrics | {
            "nll": nll,
            "nll/back": nll + partition.back - partition.there,
            "bits_per_dim": nll / (math.prod(dataset.image_shape) * math.log(2.0)),
            "log_partition": partition.there,
            "log_partition/back": partition.back,
            "log_partition/deviation": partition.deviation,
        }

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """How each number was made, one sentence each."""
        made, sentences = self.annealing.description, self.importance.protocol(dataset)
        known = f" log Z by {made}, from independent bits: too low in expectation."
        for name in ("log_likelihood/importance", "bound"):
            sentences[name] += known
        return sentences | {
            "nll": f"Minus log_likelihood/importance. {sentences['log_likelihood/importance']}",
            "nll/back": (
                f"As nll, with log Z by {made}, backwards from draws of the prior: "
                "the conservative side."
            ),
            "bits_per_dim": "nll in bits for each number of an observation.",
            "log_partition": f"log Z of the prior, nats: {made}, from independent bits.",
            "log_partition/back": f"The same backwards from draws of the prior: {made}.",
            "log_partition/deviation": f"Three standard deviations of log_partition: {made}.",
        }


@dataclasses.dataclass(frozen=True)
class _Normalised:
    """The learner with an estimate of log Z, as `ImportanceSampling` takes it."""

    learner: LacksPartition
    log_partition: float

    def log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.learner.unnormalised_log_weights(batch, seed) - self.log_partition
