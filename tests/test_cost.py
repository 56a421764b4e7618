"""What an update costs, against counting by hand."""

import keras
import pytest
import tensorflow as tf
from test_conformance import build

from tf_shortrun import noise
from tf_shortrun.errors import InputError
from tf_shortrun.evals.cost import Cost, count_flops
from tf_shortrun.inference.encoder import MeanField
from tf_shortrun.inference.short_run import ShortRun
from tf_shortrun.learners.evidence_bound import EvidenceBound
from tf_shortrun.learners.latent_likelihood import LatentLikelihood
from tf_shortrun.models.encoder import light_encoder
from tf_shortrun.models.latent_model import Decoder

SEED = noise.make_seed(0)


class Data:
    image_shape = (4, 1, 1)


def decoder():
    dense = keras.layers.Dense(4, use_bias=False)
    network = keras.Sequential([dense, keras.layers.Reshape((4, 1, 1))])
    return Decoder(network, [3], 1.0)


def test_a_chain_costs_two_passes_a_step_and_the_update_three():
    learner = LatentLikelihood(decoder(), ShortRun(7, 0.01), keras.optimizers.Adam())
    numbers = Cost(batch_size=10)(learner, Data, SEED)
    generator = count_flops(lambda z: learner.decode([z]), tf.zeros([1, 3]))
    assert 2 * 3 * 4 <= generator < 2 * 3 * 4 + 20  # the matrix, and a few things per pixel
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


def test_what_decodes_nothing_is_refused():
    _, learner = build("walkback", tf.distribute.get_strategy())
    with pytest.raises(InputError, match="take Cost out"):
        Cost(batch_size=1)(learner, Data, SEED)
