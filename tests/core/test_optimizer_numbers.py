"""Tests that numbers of Keras optimizers and schedules that make no sense are refused."""

import keras
import pytest

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.optimizer_numbers import check_optimizers, check_schedule

Pieces = keras.optimizers.schedules.PiecewiseConstantDecay
Polynomial = keras.optimizers.schedules.PolynomialDecay
Cosine = keras.optimizers.schedules.CosineDecay
Adam = keras.optimizers.Adam


def constant_rate():
    return 0.1


@pytest.mark.parametrize(
    "optimizer",
    [
        Adam(1e-3, 0.0, 0.999, 1e-8, clipnorm=1.0, weight_decay=0.0),
        Adam(Pieces((1, 2.5), (1e-3, 0.0, 1e30))),
        Adam(Cosine(0.0, 10)),
        Adam(constant_rate),
        keras.optimizers.SGD(0.1, momentum=0.9),
        keras.optimizers.RMSprop(0.1),
    ],
)
def test_sensible_numbers_are_accepted(optimizer):
    check_optimizers([optimizer, keras.Variable(1.0), None])


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (lambda: Adam(0.0), "Adam: learning_rate is 0.0: choose a positive number"),
        (lambda: Adam(-0.1), "learning_rate is -0.1"),
        (lambda: Adam(float("nan")), "learning_rate is nan"),
        (lambda: Adam(Pieces), r"needs \(\)"),
        (lambda: Adam(0.1, beta_1=2), "beta_1 is 2: choose a number from 0 up to, but below, 1"),
        (lambda: Adam(0.1, beta_1=-0.5), "beta_1 is -0.5"),
        (lambda: Adam(0.1, beta_1=True), "beta_1 is True"),
        (lambda: Adam(0.1, beta_1="a"), "beta_1 is 'a'"),
        (lambda: Adam(0.1, beta_1=None), "beta_1 is None"),
        (lambda: Adam(0.1, beta_2=1.0), "beta_2 is 1.0"),
        (lambda: Adam(0.1, epsilon=-1), "epsilon is -1"),
        (lambda: Adam(0.1, epsilon=0.0), "epsilon is 0.0"),
        (lambda: Adam(0.1, epsilon="x"), "epsilon is 'x'"),
        (lambda: Adam(0.1, clipnorm=-1), "clipnorm is -1"),
        (lambda: Adam(0.1, clipvalue=0), "clipvalue is 0"),
        (lambda: Adam(0.1, global_clipnorm="a"), "global_clipnorm is 'a'"),
        (lambda: Adam(0.1, weight_decay=-3), "weight_decay is -3: choose a number from 0 on"),
        (lambda: Adam(0.1, ema_momentum=7), "ema_momentum is 7"),
        (lambda: Adam(Pieces((3, 2), (1.0, 0.1, 0.01))), "boundaries are .3, 2.: choose rising"),
        (lambda: Adam(Pieces((2, 2), (1.0, 0.1, 0.01))), "choose rising"),
        (lambda: Adam(Pieces((-3, 2), (1.0, 0.1, 0.01))), "above 0"),
        (lambda: Adam(Pieces("ab", (1.0, 0.1, 0.01))), "boundaries are 'ab'"),
        (lambda: Adam(Pieces((True, 2), (1.0, 0.1, 0.01))), "boundaries are"),
        (lambda: Adam(Pieces((1, 2), (1.0, -0.1, 0.01))), "values are"),
        (lambda: Adam(Pieces((1, 2), (1.0, "a", 0.01))), "values are"),
        (lambda: Adam(Cosine(-1e-3, 10)), "initial_learning_rate is -0.001"),
        (lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=0.0), "SGD: clipnorm is 0.0"),
        (lambda: keras.optimizers.RMSprop(0.1, rho=1.5), "RMSprop: rho is 1.5"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(optimizer, words):
    with pytest.raises(InputError, match=words) as error:
        check_optimizers([None, optimizer()])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Pieces((3, 2), (1.0, 0.5, 0.1)), r"weight: boundaries are .* choose rising numbers"),
        (Pieces((3,), (1.0, -0.5)), "weight: values are .* choose numbers from 0 on"),
        (Polynomial(-1.0, 10), "weight: initial_learning_rate is -1.0"),
        (Polynomial, r"weight is a class: a schedule needs \(\)"),
    ],
)
def test_schedules_of_other_things_are_checked_too(schedule, words):
    with pytest.raises(InputError, match=words):
        check_schedule("weight", schedule)


@pytest.mark.parametrize("schedule", [None, constant_rate, Polynomial(0.0, 10, 1.0)])
def test_sensible_schedules_of_other_things_are_accepted(schedule):
    check_schedule("weight", schedule)
