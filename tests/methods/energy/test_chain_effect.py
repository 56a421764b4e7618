"""Tests of AfterChains and ChainStrips, with exact samplers and hand-made chains.

The learners here are plain classes with only the methods of the protocol.
"""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.evaluation import Metric
from tf_shortrun.data import synthetic
from tf_shortrun.data.dataset import Dataset, Split
from tf_shortrun.data.plane_distribution import PlaneDistribution
from tf_shortrun.evals.pictures.scatter import scatter
from tf_shortrun.evals.plane import PlaneSamples
from tf_shortrun.methods.energy.chain_effect import AfterChains, moved
from tf_shortrun.methods.energy.chain_strips import ChainStrips
from tf_shortrun.methods.energy.latent_chain import LatentChain

SEED = noise.make_seed(2)


class Linear:
    """A learner with G(z) = a z and E(x) = precision ||x||^2 / 2."""

    def __init__(self, scale=0.3, precision=0.0):
        self.scale, self.precision = scale, precision

    image_shape = (2,)

    def energy(self, observations):
        return 0.5 * self.precision * tf.reduce_sum(observations**2, axis=-1)

    def sample_latents(self, num, seed):
        return noise.normal(seed, [num, 2])

    def decode(self, latents):
        return self.scale * latents


@dataclasses.dataclass(frozen=True)
class Shifts:
    """A chain that adds (0.1, 0) in each of four steps and reports acceptance 3/4."""

    name: str = "shift+4"
    description: str = "four steps to the right"

    def __call__(self, energy, decode, latents, seed):
        offsets = tf.range(5.0)[:, None, None] * tf.constant([0.1, 0.0])
        return latents[None] + offsets, tf.fill([4, tf.shape(latents)[0]], 0.75)


@dataclasses.dataclass(frozen=True)
class Says:
    """An eval that records its samples."""

    metrics: ClassVar = {
        "modes": Metric("higher", "Modes that are reached."),
        "log_likelihood/true": Metric("", "Of the data."),
    }

    seen: list = dataclasses.field(default_factory=list, hash=False)

    def __call__(self, learner, dataset, seed):
        self.seen.append(learner.sample(6, seed).numpy())
        return {"modes": 2.0, "log_likelihood/true": -1.0}

    def protocol(self, dataset):
        return {"modes": f"Of {dataset.name}.", "log_likelihood/true": "Of data."}


def cloud(std=0.3):
    """Returns N(0, std^2 I) in the plane: one mode, with 2,000 test points."""
    points = np.random.default_rng(0).normal(0, std, [2000, 2]).clip(-1, 1).astype(np.float32)
    split = Split(points, np.full(2000, -1))
    return Dataset(
        "cloud", split, split, 1.0, PlaneDistribution(np.zeros([1, 2]), std, np.zeros(1, int))
    )


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


def test_metrics_and_protocol_equal_values_by_hand():
    says, learner, data = Says(), Linear(scale=1.0), cloud()
    evaluate = AfterChains([Shifts()], [says], num=50)
    metrics, protocol = evaluate(learner, data, SEED), evaluate.protocol(data)
    start = learner.sample_latents(50, noise.stream(SEED, "start")).numpy()
    assert metrics == {
        "chain_rhat/shift+4": 1000,  # the second latent does not move
        "chain_ess/shift+4": pytest.approx(50, abs=10),  # nor does it forget the start of 50 chains
        "latent_norm/shift+4": pytest.approx(np.mean((start + [0.4, 0.0]) ** 2), rel=1e-5),
        "chain_acceptance/shift+4": 0.75,
        "modes/shift+4": 2.0,
    }
    assert set(protocol) == set(metrics)
    assert protocol["modes/shift+4"] == "After four steps to the right: Of cloud."
    assert "50 chains" in protocol["latent_norm/shift+4"]
    assert set(evaluate.metrics) == set(metrics)
    assert evaluate.metrics["modes/shift+4"] == says.metrics["modes"]
    (seen,) = says.seen
    expected = learner.sample_latents(6, noise.stream(SEED, "start")) + tf.constant([0.4, 0.0])
    np.testing.assert_allclose(seen, np.clip(expected, -1, 1), atol=1e-6)
    assert np.abs(expected).max() > 1  # some samples were clipped


def test_with_the_prior_a_chain_leaves_the_distribution_of_samples_invariant():
    """With E = 0, `prior` changes samples but not their distribution; `paper` diffuses."""
    chains = [LatentChain(target, 40, 0.05, 1.0) for target in ("prior", "paper")]
    data, evaluate = cloud(), PlaneSamples(2000, 0.3)
    before = evaluate(moved(Linear(), Still()), data, SEED)
    after = AfterChains(chains, [evaluate], num=2000)(Linear(), data, SEED)
    assert before["on_manifold"] == pytest.approx(1 - np.exp(-0.5), abs=4 * 0.011)
    assert after["on_manifold/prior+40"] == pytest.approx(before["on_manifold"], abs=6 * 0.011)
    assert after["energy_distance/prior+40"] < 0.002
    assert after["latent_norm/prior+40"] == pytest.approx(1, abs=4 / np.sqrt(2000))
    assert after["chain_acceptance/prior+40"] > 0.95
    # At this step chains have not forgotten their starts, which were exact; at larger ones they do.
    assert after["chain_rhat/paper+40"] > after["chain_rhat/prior+40"] > 2
    large = AfterChains([LatentChain("prior", 100, 0.5, 1.0)], [], num=500)(Linear(), data, SEED)
    assert large["chain_rhat/prior+100"] < 1.1 and large["chain_ess/prior+100"] > 5000
    assert after["on_manifold/paper+40"] < before["on_manifold"] - 0.2
    assert after["energy_distance/paper+40"] > 0.02
    assert after["latent_norm/paper+40"] == pytest.approx(5, abs=4 * 5 / np.sqrt(2000))
    samples = [moved(Linear(), chain).sample(2000, SEED) for chain in (Still(), chains[0])]
    assert np.corrcoef(*(np.ravel(x) for x in samples))[0, 1] < 0.2


class Still(Shifts):
    """A chain of no steps."""

    def __call__(self, energy, decode, latents, seed):
        return latents[None], tf.zeros([0, tf.shape(latents)[0]])


def test_ddls_corrects_a_sampler_that_is_too_wide():
    """Samples of G have N(0, 0.6^2 I); data, energy and the end of `ddls` N(0, 0.3^2 I)."""
    chain = LatentChain("ddls", 40, 0.05, 1.0)
    learner, data = Linear(0.6, 1 / 0.3**2), cloud()
    metrics = AfterChains([chain], [PlaneSamples(2000, 0.3)], num=2000)(learner, data, SEED)
    assert metrics["on_manifold/ddls+40"] == pytest.approx(1 - np.exp(-0.5), abs=4 * 0.011)
    assert metrics["latent_norm/ddls+40"] == pytest.approx(0.25, abs=0.02)
    wide = PlaneSamples(2000, 0.3)(moved(learner, Still()), data, SEED)
    assert wide["on_manifold"] < 0.2


def test_equal_chain_names_and_bad_counts_are_refused():
    for chains, num, word in (
        ([Shifts(), Still()], 5, "shift+4, shift+4"),
        ([], 5, "none"),
        ([Shifts()], 0, "num 0"),
    ):
        with pytest.raises(InputError) as error:
            AfterChains(chains, [], num)
        assert word in one_line(error)
    with pytest.raises(InputError) as error:
        ChainStrips([Shifts()], 3, 1)
    assert "ChainStrips.frames is 1" in one_line(error)


def test_a_learner_without_energy_or_density_is_refused_in_one_line():
    class Speechless:
        def sample(self, num, seed):
            return tf.zeros([num, 2])

    class Folds(Linear):
        def decode(self, latents):
            return latents[:, :1]

    chains = [LatentChain("ddls", 1, 0.1, 1.0)]
    for judge in (AfterChains(chains, [], 3), ChainStrips(chains, 3, 2)):
        with pytest.raises(InputError) as error:
            judge(Speechless(), cloud(), SEED)
        assert "Speechless" in one_line(error) and type(judge).__name__ in one_line(error)
        with pytest.raises(InputError) as error:
            judge(Folds(), cloud(), SEED)
        assert "2 latents make 1 numbers" in one_line(error)


def test_strips_show_points():
    learner, data = Linear(scale=0.5), synthetic.gaussians_grid(1, 100, seed=0)
    picture = ChainStrips([Shifts(), Still()], 7, 3)(learner, data, SEED)["latent_chains"]
    assert picture.shape == (2 * 164 + 8, 2 + 3 * 162, 3)
    start = learner.sample_latents(7, noise.stream(SEED, "start")).numpy()
    for top, shifts in ((2, (0.0, 0.2, 0.4)), (164 + 8 + 2, (0.0, 0.0, 0.0))):
        for left, shift in zip((2, 164, 326), shifts, strict=True):
            panel = picture[top : top + 160, left : left + 160]
            points = 0.5 * (start + np.float32([shift, 0.0]))
            np.testing.assert_array_equal(panel, scatter(points, data.test.images, 160))


def test_strips_show_images():
    """The first latent gives the grey value: one row per start, brighter to the right."""

    class Grey(Linear):
        def decode(self, latents):
            return tf.ones([1, 32, 32, 1]) * tf.reshape(latents[:, 0], [-1, 1, 1, 1]) / 4

    split = Split(np.zeros([3, 32, 32, 1], np.uint8), np.zeros(3, np.int32))
    data = Dataset("grey", split, split)
    picture = ChainStrips([Shifts()], 3, 5)(Grey(), data, SEED)["latent_chains"]
    levels = picture[2:, 2:, 0][::34, ::34]
    start = Linear().sample_latents(3, noise.stream(SEED, "start")).numpy()[:, :1]
    expected = ((start + 0.1 * np.arange(5)) / 4 + 1) * 127.5
    assert levels.shape == (3, 5) and np.abs(levels - expected).max() < 0.51
