"""Tests of Cost, against counts by hand."""

import keras
import pytest
import tensorflow as tf

from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.core.flops import count_flops
from tf_shortrun.methods.latent.amortized import MeanField
from tf_shortrun.methods.latent.cost import Cost
from tf_shortrun.methods.latent.encoder import light_encoder
from tf_shortrun.methods.latent.energy_prior import EnergyPrior
from tf_shortrun.methods.latent.evidence_bound import EvidenceBound
from tf_shortrun.methods.latent.latent_energy import LatentEnergy
from tf_shortrun.methods.latent.latent_likelihood import LatentLikelihood
from tf_shortrun.methods.latent.latent_model import Decoder
from tf_shortrun.methods.latent.latent_table import LatentTable
from tf_shortrun.methods.latent.mixture import GaussianMixture
from tf_shortrun.methods.latent.second_stage import MixtureFit, SecondStage
from tf_shortrun.methods.latent.short_run import ShortRun
from tf_shortrun.networks.perceptron import perceptron
from tools.small_pins import build

SEED = noise.make_seed(0)


class Data:
    image_shape = (4, 1, 1)


def decoder():
    dense = keras.layers.Dense(4, use_bias=False)
    network = keras.Sequential([dense, keras.layers.Reshape((4, 1, 1))])
    return Decoder(network, [3], 1.0)


def test_a_chain_step_costs_two_passes_and_the_update_three():
    learner = LatentLikelihood(decoder(), ShortRun(7, 0.01), keras.optimizers.Adam())
    numbers = Cost(batch_size=10)(learner, Data, SEED)
    generator = count_flops(lambda z: learner.decode([z]), tf.zeros([1, 3]))
    assert 2 * 3 * 4 <= generator < 2 * 3 * 4 + 20  # the matrix, and a few operations per pixel
    assert numbers == {
        "parameters/model": 12,
        "chain_steps": 7,
        "flops_per_update": 10 * (2 * 7 + 3) * generator,
    }


def test_an_encoder_costs_three_passes():
    encoder = MeanField(lambda width: light_encoder(width, 5))
    learner = EvidenceBound(decoder(), encoder, keras.optimizers.Adam())
    numbers = Cost(batch_size=1)(learner, Data, SEED)
    assert numbers["chain_steps"] == 0
    assert numbers["parameters/encoder"] == 4 * 5 + 5 + 5 * 6 + 6
    passes = 3 * (2 * (3 * 4) + 2 * (4 * 5 + 5 * 6))
    assert passes <= numbers["flops_per_update"] < passes + 3 * 100


def test_a_learned_prior_adds_its_own_chain_and_passes_of_every_inference_step():
    adam = keras.optimizers.Adam
    model = EnergyPrior(decoder(), perceptron((8,), 1, "relu"))
    learner = LatentEnergy(model, ShortRun(7, 0.01), adam(), adam(), 20, 0.08)
    numbers = Cost(batch_size=1)(learner, Data, SEED)
    generator = count_flops(lambda z: learner.decode([z]), tf.zeros([1, 3]))
    energy = count_flops(lambda z: model.energy([z]), tf.zeros([1, 3]))
    assert 2 * (3 * 8 + 8) <= energy < 2 * (3 * 8 + 8) + 20
    expected = (2 * 7 + 3) * generator + (2 * 7 + 2 * 20 + 2 * 3) * energy
    assert numbers["flops_per_update"] == expected
    assert numbers["chain_steps"] == 7


def test_a_second_stage_counts_inference_but_no_update_of_the_generator():
    adam = keras.optimizers.Adam
    encoder = MeanField(lambda width: light_encoder(width, 5))
    first = EvidenceBound(decoder(), encoder, adam())
    mixture = MixtureFit(GaussianMixture(3, 2), adam())
    numbers = Cost(batch_size=10)(SecondStage(first, mixture, 30), Data, SEED)
    assert numbers["first_updates"] == 30
    assert numbers["flops_per_update"] == Cost(10)(first, Data, SEED)["flops_per_update"]
    once = count_flops(encoder.state["encoder"], tf.zeros([1, 4, 1, 1]))
    fit = count_flops(mixture.model.log_prob, tf.zeros([1, 3]))
    assert numbers["flops_per_second_update"] == 10 * (once + 3 * fit)
    assert "first_updates" not in Cost(10)(first, Data, SEED)


def test_a_latent_table_makes_one_step_per_visit_in_both_stages():
    table = LatentTable(6, 0.01, num_test_steps=9)
    first = LatentLikelihood(decoder(), table, keras.optimizers.Adam())
    mixture = MixtureFit(GaussianMixture(3, 1), keras.optimizers.Adam())
    numbers = Cost(batch_size=1)(SecondStage(first, mixture, 30), Data, SEED)
    generator = count_flops(lambda z: first.decode([z]), tf.zeros([1, 3]))
    fit = count_flops(mixture.model.log_prob, tf.zeros([1, 3]))
    assert numbers["chain_steps"] == 1
    assert numbers["flops_per_update"] == (2 + 3) * generator
    assert numbers["flops_per_second_update"] == 2 * generator + 3 * fit


def test_a_learner_that_does_not_report_its_passes_is_refused():
    _, learner = build("walkback", tf.distribute.get_strategy())
    with pytest.raises(InputError, match="leave Cost out"):
        Cost(batch_size=1)(learner, Data, SEED)
