"""Tests that learners do what they claim, and are refused in one line for what they do not claim.

The learners are small pins of every method, the first stages of some of them, and one that adapts.
"""

import inspect
from typing import NamedTuple, Protocol

import keras
import numpy as np
import pytest
import tensorflow as tf

from label_coded import LabelCoded
from tf_shortrun.cli import config
from tf_shortrun.core import contracts, noise
from tf_shortrun.core.capabilities import can, members, only_if, require
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.label_gaussians import LabelGaussians
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.objectives import EnergyScore, model_pairs
from tf_shortrun.methods.latent.second_stage import SecondStage
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.step_size import GridSearch
from tools.small_pins import SMALL, SMALL_PINS, VARIANTS, build

SEED = noise.make_seed(3)
NUM = 20  # divisible by the number of updates of an energy or critic
CAPABILITIES = [
    c for _, c in inspect.getmembers(contracts, inspect.isclass) if Protocol in c.__mro__[1:]
]
WRAPPED = ("rae", "glo", "particles")
MADE = ("adaptive", "labelled", "label_codes")
CASES = [*SMALL_PINS, *VARIANTS, *(f"{method}, first stage" for method in WRAPPED), *MADE]
UNBOUND = "short_run.ShortRun.longest_move = None"  # so that its chains have a density
FEW = {
    **dict.fromkeys(("short_run", "abp"), [UNBOUND]),
    "binary_latent": ["binary_latent.BinaryLatent.num_sample_sweeps = 4"],
}
ONLY = {
    contracts.RunsChain: {
        *("short_run", "abp", "lebm", "lebm_particles", "particles", "glo", *MADE),
        *("glo, first stage", "particles, first stage"),
    },
    contracts.Weighs: {
        *("short_run", "abp", "vae", "ladder_vae", "walkback", "adaptive", "label_codes")
    },
    contracts.HasDensity: {
        *("short_run", "abp", "vae", "ladder_vae", "adaptive", "label_codes"),
        *("rae, first stage", "glo, first stage", "particles, first stage"),
    },
    contracts.Adapts: {"adaptive"},
    contracts.Watches: {
        *("short_run", "abp", "lebm", "lebm_particles", "particles, first stage"),
        *("adaptive", "label_codes"),
    },
    contracts.StartsAtMean: {
        *("short_run", "abp", "lebm", "lebm_particles", "particles"),
        *("vae", "ladder_vae", "two_stage_vae", "rae", "glo"),
        *("rae, first stage", "glo, first stage", "particles, first stage"),
    },
    contracts.HasEnergy: {"max_entropy", "calibrated"},
    contracts.SamplesLabels: {"labelled", "label_codes"},
    contracts.LacksPartition: {"binary_latent"},
}


class Case(NamedTuple):
    name: str
    strategy: tf.distribute.Strategy
    learner: contracts.Learner
    train: dict  # a batch
    test: dict


def make(name, strategy):
    method, _, stage = name.partition(",")
    if method == "adaptive":
        return adaptive(strategy)
    if method == "labelled":
        return labelled(strategy)
    if method == "label_codes":
        return label_codes(strategy)
    experiment, learner = build(method, strategy, *FEW.get(method, []))
    return experiment, learner.first if stage else learner


def adaptive(strategy):
    experiment = config.load([SMALL_PINS["short_run"]], SMALL["short_run"])
    rule = GridSearch(EnergyScore(model_pairs), [0.01, 0.02], num_images=4)
    with strategy.scope():
        layers = [keras.layers.Dense(64), keras.layers.Reshape([8, 8, 1])]
        model = Decoder(keras.Sequential(layers), [2], 0.3)
        return experiment, LatentLikelihood(model, ShortRun(2, rule), keras.optimizers.Adam())


def labelled(strategy):
    experiment = config.load([SMALL_PINS["short_run"]], SMALL["short_run"])
    with strategy.scope():
        layers = [keras.layers.Dense(64), keras.layers.Reshape([8, 8, 1])]
        model = Decoder(keras.Sequential(layers), [2], 0.3)
        first = LatentLikelihood(model, ShortRun(2, 0.01), keras.optimizers.Adam())
        return experiment, SecondStage(first, LabelGaussians(2, 10), 0)


def label_codes(strategy):
    experiment = config.load([SMALL_PINS["short_run"]], SMALL["short_run"])
    with strategy.scope():
        layers = [keras.layers.Dense(64), keras.layers.Reshape([8, 8, 1])]
        model = LabelCoded(keras.Sequential(layers), [2], 0.3, 10, 12.0)
        return experiment, LatentLikelihood(model, ShortRun(2, 0.01), keras.optimizers.Adam())


@pytest.fixture(scope="module", params=CASES)
def case(request, one_replica):
    experiment, learner = make(request.param, one_replica)
    train, test = (
        next(iter(batches))
        for batches in (
            experiment.dataset.train_batches(NUM, 0),
            experiment.dataset.test_batches(NUM),
        )
    )
    return Case(request.param, one_replica, learner, train, test)


# The call of each method of a capability, and the check of its result


def updated(case, update):
    """Returns the metrics of an update, which must not be empty."""
    metrics = case.strategy.run(update, (case.train, SEED))
    assert metrics
    return metrics


def images(case, x):
    assert x.shape == (NUM, *case.learner.image_shape)
    return x


def numbers(case, x):
    del case
    assert x.shape == (NUM,)
    return x


def latents(case, z):
    """Checks that latents have the requested number and the widths of the prior."""
    prior = case.learner.sample_latents(NUM, SEED)
    assert [x.shape for x in tf.nest.flatten(z)] == [x.shape for x in tf.nest.flatten(prior)]
    assert {x.shape[0] for x in tf.nest.flatten(z)} == {NUM}
    return z


def states(case, walk):
    assert len(walk) >= 2
    images(case, walk[-1])
    return walk


def worked(case, passes):
    del case
    assert all(p.number >= 0 for p in passes) and any(p.number for p in passes)
    return [p.work(*p.arguments) for p in passes]


def count(case, number):
    del case
    assert number >= 0 and int(number) == number
    return float(number)


def inpainted(case):
    """Returns inpainted images; hidden pixels are NaN, so they must not be read."""
    x = case.test["image"]
    mask = tf.random.stateless_uniform([*x.shape[:-1], 1], SEED) < 0.5
    hidden = {"image": tf.where(mask, x, float("nan")), "mask": mask}
    return images(case, case.learner.inpaint(hidden, SEED))


def by_chain(case):
    """Checks that the chain equals `infer` at its own length and noise, and otherwise differs."""
    found = case.learner.infer(case.test, SEED)
    same = case.learner.infer_by_chain(case.test, SEED, 1)
    longer = case.learner.infer_by_chain(case.test, SEED, 2, 0.0)
    for a, b, c in zip(found, same, longer, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a - c).max() > 0
    assert case.learner.chain_steps > 0
    return latents(case, longer)


def log_joint(case):
    """Returns the log joint and its gradient in the latents."""
    z = case.learner.sample_latents(NUM, SEED)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = case.learner.log_joint(z, case.test)
    return [numbers(case, value), *tape.gradient(value, z)]


def started(case):
    """Returns samples after a start at white; the case is not used for training afterwards."""
    case.learner.start_at(tf.ones(case.learner.image_shape[-1:]))
    return images(case, case.learner.sample(NUM, SEED))


def walked(case):
    start = case.learner.sample(NUM, SEED)
    return images(case, case.learner.walk(start, 2, SEED))


CALLS = {
    "state": lambda c: [p.variables if hasattr(p, "variables") else p for p in parts(c)],
    "image_shape": lambda c: [count(c, side) for side in c.learner.image_shape],
    "train_step": lambda c: updated(c, c.learner.train_step),
    "sample": lambda c: images(c, c.learner.sample(NUM, SEED)),
    "sample_of": lambda c: images(c, c.learner.sample_of(tf.range(NUM) % 10, SEED)),
    "label_counts": lambda c: c.learner.label_counts(),
    "update_at": lambda c: updated(c, c.learner.update_at(1)),
    "adapt": lambda c: updated(c, c.learner.adapt),
    "watch": lambda c: updated(c, c.learner.watch),
    "start_at": started,
    "reconstruct": lambda c: images(c, c.learner.reconstruct(c.test, SEED)),
    "inpaint": inpainted,
    "sample_latents": lambda c: latents(c, c.learner.sample_latents(NUM, SEED)),
    "infer": lambda c: latents(c, c.learner.infer(c.test, SEED)),
    "decode": lambda c: images(c, c.learner.decode(c.learner.sample_latents(NUM, SEED))),
    "infer_by_chain": by_chain,
    "chain_steps": lambda c: count(c, c.learner.chain_steps),
    "passes": lambda c: worked(c, c.learner.passes(c.test["image"][:1])),
    "num_first_steps": lambda c: count(c, c.learner.num_first_steps),
    "second_passes": lambda c: worked(c, c.learner.second_passes(c.test["image"][:1])),
    "log_prior": lambda c: numbers(c, c.learner.log_prior(c.learner.sample_latents(NUM, SEED))),
    "log_joint": log_joint,
    "log_weights": lambda c: numbers(c, c.learner.log_weights(c.test, SEED)),
    "prior_path": lambda c: c.learner.prior_path().log_partition_base,
    "unnormalised_log_weights": lambda c: numbers(
        c, c.learner.unnormalised_log_weights(c.test, SEED)
    ),
    "heat": lambda c: states(c, c.learner.heat(c.test, SEED)),
    "cool": lambda c: states(c, c.learner.cool(NUM, SEED)),
    "walk": walked,
    "score": lambda c: numbers(c, c.learner.score(c.test, SEED)),
    "energy": lambda c: numbers(c, c.learner.energy(c.test["image"])),
}


def parts(case):
    assert case.learner.state
    return case.learner.state.values()


def claimed(learner):
    return [capability for capability in CAPABILITIES if can(learner, capability)]


def test_a_learner_does_what_it_claims(case):
    names = {name for capability in claimed(case.learner) for name in members(capability)}
    assert contracts.Learner in claimed(case.learner)
    for name in sorted(names):
        for value in tf.nest.flatten(CALLS[name](case)):
            assert np.isfinite(np.asarray(value, np.float64)).all(), name


def test_a_capability_that_is_not_claimed_is_refused_in_one_line(case):
    refused = [c for c in CAPABILITIES if c not in claimed(case.learner)]
    for capability in refused:
        with pytest.raises(InputError) as error:
            require(case.learner, capability, "this test")
        what = capability.__doc__.splitlines()[0].rstrip(".")
        assert "\n" not in str(error.value)
        assert str(error.value) == (
            f"{type(case.learner).__name__} is not a{what[1:]}: "
            "leave this test out, or choose another method"
        )
    for capability in claimed(case.learner):
        require(case.learner, capability, "this test")


def test_a_learner_claims_the_right_capabilities(case):
    for capability, names in ONLY.items():
        assert can(case.learner, capability) == (case.name in names), capability.__name__
        assert names <= set(CASES)


# The mechanism of capabilities


def test_every_name_of_every_capability_is_called_above():
    assert len(CAPABILITIES) == 19
    assert {name for c in CAPABILITIES for name in members(c)} == CALLS.keys()


def test_capabilities_have_different_names():
    """The names of one capability include those of another only if it inherits from the other."""
    for a in CAPABILITIES:
        for b in CAPABILITIES:
            assert (set(members(a)) >= set(members(b))) == (b in a.__mro__), (a, b)


def test_every_capability_says_what_its_learners_are():
    for capability in CAPABILITIES:
        first = capability.__doc__.splitlines()[0]
        assert first.startswith("A learner ") and first.endswith(".")


class Sometimes:
    def __init__(self, ready):
        self.ready = ready

    @only_if(lambda self: self.ready)
    def score(self, batch, seed):
        """What it is, higher for observations that are less like the data."""
        return batch + seed


def test_a_method_exists_only_if_it_works():
    ready, idle = Sometimes(True), Sometimes(False)
    assert can(ready, contracts.Scores) and not can(idle, contracts.Scores)
    assert ready.score(1, 2) == 3 and ready.score == ready.score  # equal, so it is compiled once
    assert Sometimes.score.__doc__.startswith("What it is")
    with pytest.raises(AttributeError, match="this Sometimes has no score"):
        idle.score(1, 2)
    idle.ready = True
    assert can(idle, contracts.Scores)


def test_isinstance_raises_for_capabilities():
    with pytest.raises(TypeError):
        isinstance(Sometimes(True), contracts.Scores)


def test_members_include_names_of_bases():
    names = ["decode", "infer", "infer_by_chain", "sample_latents"]
    assert members(contracts.RunsChain) == names
