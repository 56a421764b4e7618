"""Tempered chains in training: they continue, converge to the prior, and replicas share them."""

import numpy as np
import pytest
import tensorflow as tf

import binary_toy as toy
from enumerated import surprise
from tf_shortrun.core import noise
from tf_shortrun.core.errors import InputError
from tf_shortrun.methods.binary.tempered_chains import TemperedChains

SEEDS = noise.split(noise.make_seed(4), 6)


def built(num_chains, num_sweeps, num_temperatures=3):
    chains, prior = TemperedChains(num_chains, num_sweeps, num_temperatures), toy.make_model()
    chains.build(prior)
    return chains, prior


def test_chains_converge_to_the_prior_and_continue():
    chains, prior = built(20_000, 10)
    assert surprise(chains.state["chains"][:, -1].numpy(), toy.PROBABILITY) > 2
    move = tf.function(lambda seed: chains.move(prior, seed)[0])
    for seed in SEEDS[:3]:
        ends = move(seed)
    assert surprise(ends, toy.PROBABILITY) < 1
    np.testing.assert_array_equal(chains.state["chains"][:, -1], ends)


def test_one_replica_and_two_move_the_same_chains(one_replica, two_replicas):
    kept = []
    for strategy in (one_replica, two_replicas):
        with strategy.scope():
            chains, prior = built(40, 3)
        move = tf.function(lambda c=chains, p=prior: c.move(p, SEEDS[0]))
        ends, _ = strategy.run(move)
        parts = [part.numpy() for part in strategy.experimental_local_results(ends)]
        kept.append(np.concatenate(parts))
        np.testing.assert_array_equal(chains.state["chains"].numpy()[:, -1], kept[-1])
    np.testing.assert_array_equal(*kept)


def test_bad_numbers_are_refused(two_replicas):
    with pytest.raises(InputError, match="num_temperatures 1: choose positive numbers, and two"):
        TemperedChains(10, 1, 1)
    with two_replicas.scope(), pytest.raises(InputError, match="2 replicas cannot share 3 chains"):
        TemperedChains(3, 1, 2).build(toy.make_model())
