"""Tests of the starts of chains, and of what learns from their ends."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from tf_shortrun.core import noise
from tf_shortrun.core.capabilities import can
from tf_shortrun.core.contracts import Adapts
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.latent.encoder import light_encoder
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.objectives import ChainPairs, EnergyScore, kl_hat, model_pairs
from tf_shortrun.methods.latent.particles import ParticleCloud
from tf_shortrun.methods.latent.preconditioner import GaussNewton
from tf_shortrun.methods.latent.proposal import GaussianProposal
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.methods.latent.start import Amortized, Bank, Mixture, Prior
from tf_shortrun.methods.latent.step_size import Descent, GridSearch
from tf_shortrun.training.steps import compile_step

SEED = noise.make_seed(0)
# Two layers, x = [2 z_1, 0.5 z_2] + e: curvatures 1 + 4 / sigma^2 and 1 + 0.25 / sigma^2.
SCALES, SIGMA = np.array([2.0, 0.5], "f4"), 0.5


class TwoLayers(keras.layers.Layer):
    def call(self, latents):
        return tf.concat(latents, axis=-1) * SCALES


def make_model():
    return Decoder(TwoLayers(), latent_widths=[1, 1], sigma=SIGMA)


def make_amortized(learning_rate=1e-2):
    network = functools.partial(light_encoder, hidden_units=16)
    return Amortized(network, keras.optimizers.Adam(learning_rate))


def observations(num):
    model = make_model()
    noisy = SIGMA * noise.normal(noise.fold(SEED, 1), [num, 2])
    return model(model.sample_latents(num, noise.fold(SEED, 2))) + noisy


def built(start):
    start.build(make_model())
    return start


def as_distribution(start, x):
    """Returns mean and standard deviation of many starts for one observation."""
    batch = {"image": tf.repeat(x[None], 20000, axis=0)}
    draws = np.concatenate(start.draw(make_model(), batch, SEED), axis=-1)
    return draws.mean(axis=0), draws.std(axis=0)


def test_the_initial_proposal_is_the_prior():
    mean, std = as_distribution(built(make_amortized()), tf.ones([2]))
    np.testing.assert_allclose(mean, 0, atol=0.03)
    np.testing.assert_allclose(std, 1, atol=0.03)


def test_the_proposal_learns_the_distribution_of_the_ends():
    """The ends are exact posterior draws: the proposal finds their mean and spread."""
    start, model = built(make_amortized(3e-3)), make_model()
    precision = 1 + SCALES**2 / SIGMA**2
    x = observations(500)

    @tf.function(autograph=False)
    def learn(k):
        ends = SCALES * x / SIGMA**2 / precision
        ends += noise.normal(noise.fold(SEED, k), [500, 2]) / np.sqrt(precision)
        start.learn({"image": x}, tf.split(ends, 2, axis=-1))

    for k in range(1500):
        learn(tf.constant(k))
    mean, std = as_distribution(start, tf.constant([1.0, 0.3]))
    np.testing.assert_allclose(mean, SCALES * [1.0, 0.3] / SIGMA**2 / precision, atol=0.1)
    np.testing.assert_allclose(std, 1 / np.sqrt(precision), rtol=0.15)
    assert model.sigma == SIGMA


def test_log_prob_of_the_proposal_and_of_a_mixture_is_a_density():
    """The proposal is compared with TFP; the density of the mixture integrates to 1."""
    start, model = built(make_amortized()), make_model()
    x = observations(8)
    start.learn({"image": x}, model.sample_latents(8, SEED))
    latents = model.sample_latents(8, noise.fold(SEED, 3))
    mean, log_std = tf.split(start._proposal.network(x), 2, axis=-1)
    log_std = tf.minimum(log_std, 0.0)  # no width exceeds that of the prior
    distribution = tfp.distributions.MultivariateNormalDiag(mean, tf.exp(log_std))
    expected = distribution.log_prob(tf.concat(latents, -1))
    np.testing.assert_allclose(
        start.log_prob(model, {"image": x}, latents), expected, rtol=1e-5, atol=1e-5
    )
    grid = np.stack(np.meshgrid(*[np.linspace(-8, 8, 161)] * 2), -1).reshape(-1, 2).astype("f4")
    batch = {"image": tf.repeat(x[:1], len(grid), axis=0)}
    density = tf.exp(Mixture(Prior(), start, 0.3).log_prob(model, batch, tf.split(grid, 2, -1)))
    assert float(tf.reduce_sum(density)) * 0.1**2 == pytest.approx(1, abs=1e-3)


def test_the_proposal_ignores_hidden_pixels():
    start, model = built(make_amortized()), make_model()
    x = observations(4)
    start.learn({"image": x}, model.sample_latents(4, SEED))
    mask = tf.constant([[True, False]] * 4)
    draws = [
        start.draw(model, {"image": tf.where(mask, x, hidden), "mask": mask}, SEED)
        for hidden in (5.0, float("nan"))
    ]
    np.testing.assert_array_equal(*draws)
    assert np.isfinite(draws[0]).all()
    whole = start.draw(model, {"image": x}, SEED)
    assert np.abs(np.subtract(whole, draws[0])).max() > 0


def test_a_bank_continues_the_chain_of_the_same_example():
    bank, model = built(Bank(10)), make_model()
    batch = {"image": tf.zeros([3, 2]), "index": tf.constant([7, 2, 5], tf.int64)}
    before = bank.draw(model, batch, SEED)
    ends = [tf.constant([[1.0], [2.0], [3.0]]), tf.constant([[4.0], [5.0], [6.0]])]
    bank.learn(batch, ends)
    again = {"image": tf.zeros([2, 2]), "index": tf.constant([5, 8], tf.int64)}
    top, bottom = bank.draw(model, again, SEED)
    assert top[0] == 3.0 and bottom[0] == 6.0  # example 5; example 8 still has prior noise
    assert 0 < abs(float(top[1, 0])) < 5 and np.abs(before[0]).max() < 5


def test_a_bank_uses_the_prior_for_examples_without_an_index():
    bank, model = built(Bank(10)), make_model()
    batch = {"image": tf.zeros([3, 2])}
    np.testing.assert_array_equal(bank.draw(model, batch, SEED), Prior().draw(model, batch, SEED))
    named = batch | {"index": tf.range(3)}
    with pytest.raises(InputError, match="bank"):
        bank.log_prob(model, named, model.sample_latents(3, SEED))


def test_a_mixture_draws_each_part_with_its_share():
    bank, model = built(Bank(1)), make_model()
    bank.learn({"index": tf.zeros([1], tf.int64)}, [tf.fill([1, 1], 50.0)] * 2)
    batch = {"image": tf.zeros([4000, 2]), "index": tf.zeros([4000], tf.int64)}
    top, bottom = Mixture(Prior(), bank, 0.3).draw(model, batch, SEED)
    np.testing.assert_array_equal(top == 50, bottom == 50)  # all layers from the same part
    assert np.mean(top == 50) == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / 4000))


@pytest.mark.parametrize("make", [lambda: Bank(0), lambda: Mixture(Prior(), Prior(), 1.0)])
def test_bad_starts_are_refused(make):
    with pytest.raises(InputError, match=r"num_examples|share"):
        make()


def test_gauss_newton_finds_the_curvature_of_each_direction():
    """1 / (1 + SCALES^2 / sigma^2) is exact: with a diagonal map probes have no cross terms."""
    preconditioner, model = GaussNewton(0.9), make_model()
    preconditioner.build(model)
    expected = 1 / (1 + SCALES**2 / SIGMA**2)
    np.testing.assert_allclose(np.ravel(preconditioner.diagonal), expected, rtol=1e-5)
    model.sigma.assign(1.0)
    for k in range(100):
        preconditioner.learn(model, model.sample_latents(4, SEED), noise.fold(SEED, k))
    np.testing.assert_allclose(np.ravel(preconditioner.diagonal), 1 / (1 + SCALES**2), rtol=1e-3)


def test_a_preconditioned_chain_converges_faster_than_any_single_step_size():
    """Precisions 17 and 2, without noise: both errors contract by (1 - s)^K."""
    model, batch = make_model(), {"image": tf.ones([1, 2])}
    inference = ShortRun(4, 0.5, noise_scale=0.0, preconditioner=GaussNewton(0.9))
    inference.build(model)
    precision = 1 + SCALES**2 / SIGMA**2
    mode = SCALES / SIGMA**2 / precision
    first = np.ravel(model.sample_latents(1, noise.stream(SEED, "start")))
    end = np.ravel(inference(model, batch, SEED).latents)
    np.testing.assert_allclose(end - mode, (first - mode) * 0.5**4, atol=1e-5)
    best = min(max(abs(1 - s * precision)) ** 4 for s in np.linspace(0.01, 0.2, 200))
    assert best > 2 * 0.5**4


def make_inference(kind):
    if kind == "particles":
        return ParticleCloud(ShortRun(3, 0.02), num_examples=8, num_particles=3)
    descent = Descent(
        EnergyScore(model_pairs), 0.02, True, True, keras.optimizers.Adam(0.1), num_images=4
    )
    search = GridSearch(kl_hat, [0.01, 0.02, 0.04], num_images=4)
    starts = {"bank": Bank(8), "amortized": make_amortized()}
    starts["mixture"] = Mixture(make_amortized(), Bank(8), 0.5)
    step_size = {"descent": descent, "search": search}.get(kind, 0.02)
    preconditioner = GaussNewton(0.5) if kind == "gauss_newton" else None
    return ShortRun(3, step_size, 1.0, starts.get(kind, Prior()), preconditioner)


KINDS = ["descent", "search", "bank", "particles", "amortized", "mixture", "gauss_newton"]


def make_learner(strategy, kind):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        network = keras.Sequential([keras.layers.Concatenate(), keras.layers.Dense(2)])
        model = Decoder(network, [1, 1], 0.3)
        return LatentLikelihood(model, make_inference(kind), keras.optimizers.SGD(1e-3))


def course(strategy, kind):
    """Returns a learner after three updates, with adaptations if it has any, and its metrics."""
    learner = make_learner(strategy, kind)
    step_fn = compile_step(strategy, learner.train_step, SEED)
    assert can(learner, Adapts) == (kind in ("descent", "search"))
    if adapts := can(learner, Adapts):
        adapt_fn = compile_step(strategy, learner.adapt, noise.fold(SEED, 1))
    batch = {"image": observations(8), "index": tf.range(8, dtype=tf.int64)}
    share = 8 // strategy.num_replicas_in_sync
    if strategy.num_replicas_in_sync > 1:
        batch = {name: _split(strategy, value, share) for name, value in batch.items()}
    for step in range(3):
        if adapts:
            adapt_fn(batch, tf.constant(step))
        metrics = step_fn(batch, tf.constant(step))
    return learner, {name: float(value) for name, value in metrics.items()}


def _split(strategy, value, share):
    def local(context):
        first = context.replica_id_in_sync_group * share
        return value[first : first + share]

    return strategy.experimental_distribute_values_from_function(local)


def values(learner):
    found = []
    for part in learner.state.values():
        found += (
            [np.array(v) for v in part.variables]
            if hasattr(part, "variables")
            else [np.array(part.read_value())]
        )
    return found


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def trained(kind, one_replica):
    """Trains once for all tests, since compilation is slow."""
    return course(one_replica, kind)


def test_one_and_two_replicas_agree_for_every_inference(kind, trained, two_replicas):
    one, metrics_one = trained
    two, metrics_two = course(two_replicas, kind)
    assert len(values(one)) == len(values(two)) > 3
    for a, b in zip(values(one), values(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for name, value in metrics_one.items():
        assert value == pytest.approx(metrics_two[name], rel=1e-3)


def test_a_checkpoint_holds_the_state_of_every_inference(kind, trained, one_replica, tmp_path):
    learner, _ = trained
    path = tf.train.Checkpoint(**learner.state).write(str(tmp_path / "ckpt"))
    other = make_learner(one_replica, kind)
    for part in other.state.values():
        for v in getattr(part, "variables", [part]):
            v.assign(tf.zeros_like(v))
    tf.train.Checkpoint(**other.state).read(path).assert_consumed()
    for a, b in zip(values(learner), values(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_step_sizes_from_long_chains_agree_with_those_from_model_pairs():
    """The model generated the data, so both kinds of pairs have the same optimum."""
    model, x = make_model(), observations(2000)
    found = []
    for pairs in (model_pairs, ChainPairs(200, 0.01)):
        rule = GridSearch(EnergyScore(pairs), np.geomspace(0.005, 0.1, 12), 2000)
        inference = ShortRun(5, rule)
        inference.build(model)
        tf.function(inference.adapt)(model, {"image": x}, SEED)
        found.append(float(rule.value[0, 0]))
    assert found[0] == pytest.approx(found[1], rel=0.35) and 0.01 < found[0] < 0.09


def test_a_narrow_start_is_never_wider_than_the_prior_and_can_become_narrower_again():
    """The network says log widths of 3 and -1: they become 0 and -1, both with a gradient."""
    for is_narrow, expected in ((True, [0.0, -1.0]), (False, [3.0, -1.0])):
        raw = tf.Variable([[0.0, 0.0, 3.0, -1.0]])
        proposal = GaussianProposal(None, is_narrow)
        proposal._widths, proposal.network = [2], functools.partial(tf.add, raw)
        with tf.GradientTape() as tape:
            _, (log_std,) = proposal.moments({"image": tf.zeros([1, 4])})
            total = tf.reduce_sum(log_std)
        np.testing.assert_allclose(log_std[0], expected)
        np.testing.assert_allclose(tape.gradient(total, raw)[0], [0, 0, 1, 1])
