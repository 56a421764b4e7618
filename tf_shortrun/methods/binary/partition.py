"""The partition function Z of a prior by annealing, and likelihoods that use it.

    log Z ~ log Z_A + log 1/C sum_c w_c        there (forward): from independent bits to the prior
    log Z ~ log Z_A - log 1/C sum_c w_c        back (reverse): from draws of the prior to the bits

The forward estimate is too low in expectation, E[log of the mean] <= log Z, so likelihoods look
too good. The reverse estimate is too high if its chains start from exact draws of the prior: it
is conservative.

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
from tf_shortrun.core.contracts import LacksPartition, Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric, needs
from tf_shortrun.core.shapes import Batch, Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals.likelihood import ImportanceSampling
from tf_shortrun.kernels import gibbs
from tf_shortrun.methods.binary.annealed_chains import AnnealedChains, anneal, deviation


class Partition(NamedTuple):
    """The estimates of log Z by annealing, nats.

    there, back: the forward and the reverse estimate.   deviation: 3 standard deviations of the
    forward one, to first order; it does not include modes that no chain has found.
    """

    there: float
    back: float
    deviation: float


@dataclasses.dataclass(frozen=True)
class Annealing:
    """An annealing. Called with a learner and a seed, it returns their `Partition`.

    Attributes:
      num_chains: C, in each direction.
      num_steps: K, number of temperatures.
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
        """Returns log Z_A, and the forward and the reverse chains; float64."""

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
    """An eval: the likelihood of a learner whose prior is not normalised.

    It runs `importance` with the forward estimate of log Z, and adds to its metrics

        nll          = -log_likelihood/importance
        nll/back     = the same with the reverse estimate of log Z
        bits_per_dim = nll / (D log 2)

    and `log_partition`, `log_partition/back`, `log_partition/deviation` (3 sigma). Observations
    are discrete levels with probabilities, so the width of a level does not enter.
    """

    metrics: ClassVar = {
        "nll": Metric("lower", "Negative log-likelihood of test examples, nats each."),
        "nll/back": Metric("lower", "As nll, with log_partition/back: conservative."),
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

    check = needs(LacksPartition)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns all metrics, in nats except `bits_per_dim`.

        Raises:
          InputError: if the learner is not a `LacksPartition`.
        """
        self.check(learner, dataset)
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
        """Returns one sentence for each metric: how it was measured."""
        made, sentences = self.annealing.description, self.importance.protocol(dataset)
        known = f" log Z by {made}, from independent bits: too low in expectation."
        for name in ("log_likelihood/importance", "bound"):
            sentences[name] += known
        return sentences | {
            "nll": f"Minus log_likelihood/importance. {sentences['log_likelihood/importance']}",
            "nll/back": (
                f"As nll, with log Z by {made}, in reverse, from draws of the prior back to "
                "independent bits: conservative."
            ),
            "bits_per_dim": "nll in bits for each component of an observation.",
            "log_partition": f"log Z of the prior, nats: {made}, from independent bits.",
            "log_partition/back": (
                f"As log_partition, in reverse, from draws of the prior back to independent bits: "
                f"{made}."
            ),
            "log_partition/deviation": f"Three standard deviations of log_partition: {made}.",
        }


@dataclasses.dataclass(frozen=True)
class _Normalised:
    """The learner with an estimate of log Z, normalised for `ImportanceSampling`."""

    learner: LacksPartition
    log_partition: float

    def log_weights(self, batch: Batch, seed: Seed) -> tf.Tensor:
        return self.learner.unnormalised_log_weights(batch, seed) - self.log_partition
