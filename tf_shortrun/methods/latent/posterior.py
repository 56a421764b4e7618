"""The distance of the latents that a learner infers from the posterior of its model.

References:
  G. J. Szekely, M. L. Rizzo, Energy statistics, Journal of Statistical Planning and
    Inference 2013.
"""

import dataclasses
import itertools
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import tensorflow as tf
from scipy.spatial.distance import cdist, pdist

from tf_shortrun.core import noise
from tf_shortrun.core.contracts import HasDensity, Learner
from tf_shortrun.core.counts import check_counts
from tf_shortrun.core.evaluation import Metric, needs
from tf_shortrun.core.shapes import Batch, Latents, Seed
from tf_shortrun.data.dataset import Dataset
from tf_shortrun.evals import subset
from tf_shortrun.evals.stein import stein_discrepancy
from tf_shortrun.kernels import diagnostics, hamiltonian


@dataclasses.dataclass(frozen=True)
class PosteriorDistance:
    """An eval: energy distance of inferred latents from long Hamiltonian chains, mean over images.

        2 E|X - Y| - E|X - X'| - E|Y - Y'|,     X ~ p(z | x),   Y ~ q(z | x)

    with the Euclidean norm of all layers together; 0 if and only if q is the posterior. Y are
    `num_draws` draws of `infer`. X are `num_steps` draws of each of `num_chains` chains, which
    start from the prior, after `num_burn_in` steps of burn-in.

    `hmc_mse` is the `mse` of exact inference. `hmc_rhat` is near 1 if the chains of an image
    agree: the largest R-hat over latents, then its 95th percentile over images. If it is well
    above 1.1, do not trust the distance. `hmc_ess` is the number of independent draws that all
    chains of an image are worth: the least over latents, then the 5th percentile; below 100, the
    distance is coarse. `hmc_acceptance` should be near 0.8. `posterior_stein` judges the inferred
    latents by the score of the posterior and needs no chains, see `evals/stein.py`.

    The noise of batch b comes from fold(seed, b).
    """

    metrics: ClassVar = {
        "posterior_energy_distance": Metric(
            "lower", "Distance of inferred latents from the true posterior."
        ),
        "hmc_mse": Metric("lower", "As mse, with latents from the true posterior."),
        "hmc_acceptance": Metric("", "Acceptance probability of the chains of hmc_mse."),
        "hmc_rhat": Metric(
            "",
            "Convergence of the chains of hmc_mse: near 1 if converged; above 1.1, do not trust "
            "posterior_energy_distance.",
        ),
        "hmc_ess": Metric(
            "",
            "Independent draws that the chains of hmc_mse are worth; below 100, "
            "posterior_energy_distance is coarse.",
        ),
        "posterior_stein": Metric(
            "lower",
            "Kernel Stein discrepancy of inferred latents from the true posterior, without chains: "
            "0 for exact draws, .05 for a mean that is wrong by .3 standard deviations, 1 if all "
            "draws are one point.",
        ),
    }

    num_images: int
    num_draws: int
    num_chains: int
    num_burn_in: int
    num_steps: int
    max_leapfrog_steps: int
    batch_size: int

    def __post_init__(self):
        check_counts(self, num_draws=2, num_chains=2, num_steps=4)

    check = needs(HasDensity)

    def __call__(self, learner: Learner, dataset: Dataset, seed: Seed) -> dict[str, float]:
        """Returns means over images, and diagnostics of the chains.

        Raises:
          InputError: if the learner has no density.
        """
        self.check(learner, dataset)
        move = hamiltonian.make_posterior_move(learner, self.max_leapfrog_steps)
        infer = tf.function(learner.infer)
        batches = subset.spread(dataset, self.num_images).test_batches(self.batch_size)
        found = [
            self._measure(learner, move, infer, batch, noise.fold(seed, b))
            for b, batch in enumerate(batches)
        ]
        distance, mse, acceptance, rhat, ess, stein = np.concatenate(found, axis=1)
        return {
            "posterior_energy_distance": float(np.mean(distance)),
            "hmc_mse": float(np.mean(mse)),
            "hmc_acceptance": float(np.mean(acceptance)),
            "hmc_rhat": float(np.percentile(rhat, 95)),
            "hmc_ess": float(np.percentile(ess, 5)),
            "posterior_stein": float(np.mean(stein)),
        }

    def protocol(self, dataset: Dataset) -> dict[str, str]:
        """Returns one sentence for each metric: how it was measured."""
        images = subset.phrase(dataset, self.num_images)
        chains = (
            f"{self.num_chains} Hamiltonian chains each, {self.num_steps} draws after "
            f"{self.num_burn_in} of burn-in, 1 to {self.max_leapfrog_steps} leapfrog steps a draw"
        )
        return {
            "posterior_energy_distance": (
                f"Energy distance between {self.num_draws} inferred latents and the posterior, "
                f"mean over {images}; the posterior is sampled by {chains}."
            ),
            "hmc_mse": (
                f"Mean squared error per pixel on [-1, 1] over {images}, from single draws of the "
                f"posterior; {chains}."
            ),
            "hmc_acceptance": f"Mean probability of accepting a draw over {images}; {chains}.",
            "hmc_rhat": (
                f"Split R-hat, largest over latents, 95th percentile over {images}; {chains}."
            ),
            "hmc_ess": (
                f"Effective draws, least over latents, 5th percentile over {images}; {chains}."
            ),
            "posterior_stein": f"Of {self.num_draws} draws, normalised, mean over {images}.",
        }

    def _measure(
        self, learner: HasDensity, move: Callable, infer: Callable, batch: Batch, seed: Seed
    ) -> np.ndarray:
        """Returns distance, error, acceptance, R-hat, ESS and Stein discrepancy: [6, B]."""
        chain_seed, infer_seed = noise.split(seed, 2)
        chains, acceptance = self._run_chains(learner, move, batch, chain_seed)
        draws = [infer(batch, noise.fold(infer_seed, m)) for m in range(self.num_draws)]
        x, y = _join(chains), np.stack([_join(draw) for draw in draws])
        distance = [energy_distance(x[:, :, i], y[:, i]) for i in range(y.shape[1])]
        rhat = np.max(diagnostics.rhat(x), axis=-1)
        ess = np.min(diagnostics.effective_draws(x), axis=-1)
        scores = np.stack([_join(_scores(learner, batch, draw)) for draw in draws])
        stein = [stein_discrepancy(y[:, i], scores[:, i]) for i in range(y.shape[1])]
        mse, accepted = _mse(learner, batch, chains), np.mean(acceptance, axis=(0, 1))
        return np.stack([distance, mse, accepted, rhat, ess, stein])

    def _run_chains(
        self, learner: HasDensity, move: Callable, batch: Batch, seed: Seed
    ) -> tuple[Latents, tf.Tensor]:
        seeds = noise.split(seed, 3)
        start, guess = hamiltonian.start(learner, batch, self.num_chains, seeds[0])
        settled, step_size = hamiltonian.burn_in(
            move, batch, start, guess, self.num_burn_in, seeds[1]
        )
        return hamiltonian.sample(move, batch, settled, step_size, self.num_steps, seeds[2])


def energy_distance(chains: np.ndarray, draws: np.ndarray) -> float:
    """Returns 2 E|X - Y| - E|X - X'| - E|Y - Y'| without bias: it can be slightly below 0.

    X and X' always come from two different chains, since draws of one chain are dependent.

    Args:
      chains: X, [N, C, d], draws of C independent chains.
      draws: Y, [M, d], independent.
    """
    chains = np.swapaxes(chains, 0, 1)
    across = np.mean([cdist(chain, draws).mean() for chain in chains])
    between = np.mean([cdist(*pair).mean() for pair in itertools.combinations(chains, 2)])
    return 2.0 * across - between - pdist(draws).mean()


def _join(latents: Latents) -> np.ndarray:
    """Returns all layers as one vector, [..., d]."""
    return np.concatenate(latents, axis=-1)


def _scores(learner: HasDensity, batch: Batch, latents: Latents) -> Latents:
    """Returns grad log p(z | x) at the latents, layer by layer."""
    latents = [tf.convert_to_tensor(z) for z in latents]
    with tf.GradientTape() as tape:
        tape.watch(latents)
        log_joint = tf.reduce_sum(learner.log_joint(latents, batch))
    return tape.gradient(log_joint, latents)


def _mse(learner: HasDensity, batch: Batch, chains: Latents) -> np.ndarray:
    """Returns the squared error per pixel of each chain's last draw, mean over chains: [B]."""
    ends = [[z[-1, c] for z in chains] for c in range(chains[0].shape[1])]
    errors = [(batch["image"] - learner.decode(end)) ** 2 for end in ends]
    return np.mean(errors, axis=(0, *range(2, np.ndim(errors))))
