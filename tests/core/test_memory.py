"""Tests that a model that cannot fit into memory is refused before it takes any."""

import keras
import pytest

from tf_shortrun.core import memory
from tf_shortrun.core.errors import InputError


def model(strategy, width):
    with memory.bounded_scope(strategy):
        network = keras.Sequential([keras.Input([100]), keras.layers.Dense(width)])
        keras.optimizers.Adam().build(network.trainable_variables)
    return network


def test_the_bound_is_on_all_variables_of_model_and_optimizer(monkeypatch, one_replica):
    kernel, bias = 100 * 50 * 4, 50 * 4
    monkeypatch.setattr(memory, "of_machine", lambda: 3 * (kernel + bias) + 12)
    assert model(one_replica, 50).count_params() == 5050  # and two moments of Adam
    monkeypatch.setattr(memory, "of_machine", lambda: 3 * (kernel + bias) - 1)
    with pytest.raises(InputError, match="choose smaller widths or fewer features"):
        model(one_replica, 50)


def test_a_model_of_petabytes_is_refused_and_the_next_one_is_made(one_replica):
    with pytest.raises(InputError, match="GiB of memory of this machine"):
        model(one_replica, 10**13)
    assert model(one_replica, 5).count_params() == 505


def test_other_errors_pass(one_replica):
    with pytest.raises(KeyError), memory.bounded_scope(one_replica):
        raise KeyError
