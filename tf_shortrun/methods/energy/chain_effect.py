"""The effect on samples if a chain moves their latents first."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can, require
from tf_shortrun.core.contracts import GuidesLatents, Learner
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Eval, HasNeeds, Metric
from tf_shortrun.core.shapes import Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.kernels import diagnostics

_OF_THE_DATA = "log_likelihood/true"  # it does not depend on samples


class Chain(Protocol):
    """A chain that moves latents [B, d] by the energy of their decoded observations.

    Attributes:
      name: the part of a metric's name after the slash.
      description: a phrase that says what the chain does.
    """

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    def __call__(
        self, energy: Callable, decode: Callable, latents: tf.Tensor, seed: Seed
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns states [K + 1, B, d], the start first, and acceptance probabilities [K, B]."""


@dataclasses.dataclass(frozen=True)
class Moved:
    """A learner reduced to its samples, as far as an eval of samples needs it."""

    image_shape: tuple[int, ...]
    sample: Callable


@dataclasses.dataclass(frozen=True)
class AfterChains:
    """An eval: the metrics of `evals` for samples after each of `chains`, and those of the chains.

        latent_norm = mean ||z_K||^2 / d,     chain_acceptance = mean probability of a move

    over `num` chains, and how far they have mixed, if they have four steps: `chain_rhat` and
    `chain_ess`, see `kernels/diagnostics.py`. Draws from the prior have latent_norm 1. The name of
    a metric ends with the name of the chain, as in `modes/prior+5`. All chains have the same starts
    and the same noise.
    """

    chains: Sequence[Chain]
    evals: Sequence[Eval]
    num: int

    def __post_init__(self):
        names = [chain.name for chain in self.chains]
        if self.num < 1 or not names or len({*names}) < len(names):
            raise InputError(
                f"AfterChains has num {self.num}, chains {', '.join(names) or 'none'}: "
                "choose a number from 1 on, and chains of different names"
            )

    def check(self, learner: Learner, dataset: Dataset):
        require(learner, GuidesLatents, "AfterChains")
        for chain in self.chains:
            for evaluate in self.evals:
                if can(evaluate, HasNeeds):
                    evaluate.check(moved(learner, chain), dataset)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns all metrics.

        Raises:
          InputError: if the learner has no energy of one vector of latents, or by a chain itself.
        """
        self.check(learner, dataset)
        metrics = {}
        for chain in self.chains:
            found = _measure(learner, chain, self.num, seed)
            for evaluate in self.evals:
                found |= evaluate(moved(learner, chain), dataset, seed)
            metrics |= _named(found, chain)
        return metrics

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics of `evals`, and those of the chains."""
        own = {
            "latent_norm": Metric("", "Mean square of the latents at the end; 1 under the prior."),
            "chain_acceptance": Metric("", "Mean acceptance probability of the moves of a chain."),
            "chain_rhat": Metric(
                "", "1 if chains forgot their starts; above 1.1, samples are not of their target."
            ),
            "chain_ess": Metric("", "Independent draws that all states of the chains are worth."),
        }
        for evaluate in self.evals:
            own |= evaluate.metrics
        named = {}
        for chain in self.chains:
            named |= _named(own, chain)
        return named

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence for each metric: how it was measured."""
        own = {
            "latent_norm": f"Mean square of the latents of {self.num} chains at their ends.",
            "chain_acceptance": f"Mean acceptance probability of the moves of {self.num} chains.",
            "chain_rhat": f"Split R-hat of {self.num} chains, largest over latents.",
            "chain_ess": f"Effective draws of {self.num} chains, least over latents.",
        }
        for evaluate in self.evals:
            own |= evaluate.protocol(dataset)
        sentences = {}
        for chain in self.chains:
            made = {name: f"After {chain.description}: {what}" for name, what in own.items()}
            sentences |= _named(made, chain)
        return sentences


def moved(learner: GuidesLatents, chain: Chain) -> Moved:
    """Returns the learner with samples decoded from the ends of chains.

    The chains start from latents drawn with stream(seed, "start"). The samples have no
    observation noise.
    """
    return Moved(learner.image_shape, functools.partial(_samples, learner, chain))


def _samples(learner: GuidesLatents, chain: Chain, num, seed: Seed) -> tf.Tensor:
    states, _ = _walk(learner, chain, num, seed)
    return tf.clip_by_value(learner.decode(states[-1]), -1.0, 1.0)


def _walk(learner: GuidesLatents, chain: Chain, num, seed: Seed) -> tuple[tf.Tensor, tf.Tensor]:
    start = learner.sample_latents(num, noise.stream(seed, "start"))
    return chain(learner.energy, learner.decode, start, noise.stream(seed, "chain"))


def run(learner: GuidesLatents, chain: Chain, num: int, seed: Seed) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what the chain returns, from the starts that `moved` has too."""
    # Without autograph an InputError of the chain is raised unchanged.
    walk = tf.function(functools.partial(_walk, learner, chain), autograph=False)
    return walk(num, seed)


def _measure(learner: GuidesLatents, chain: Chain, num: int, seed: Seed) -> dict[str, float]:
    states, acceptance = run(learner, chain, num, seed)
    mixed = {}
    if len(states) > diagnostics.FEWEST:
        mixed["chain_rhat"] = float(np.max(diagnostics.rhat(states[1:])))
        mixed["chain_ess"] = float(np.min(diagnostics.effective_draws(states[1:])))
    return mixed | {
        "latent_norm": float(np.mean(np.square(states[-1], dtype=np.float64))),
        "chain_acceptance": float(np.mean(acceptance, dtype=np.float64)),
    }


def _named(found: dict, chain: Chain) -> dict:
    return {f"{name}/{chain.name}": value for name, value in found.items() if name != _OF_THE_DATA}
