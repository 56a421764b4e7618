"""Tests which bindings that nothing uses are mistakes of the user, and which are not."""

import pytest

from tf_shortrun.cli import config
from tf_shortrun.core.errors import InputError

HEAD = """from __gin__ import dynamic_registration
import keras
from tf_shortrun.training import experiment
from tf_shortrun.evals import reconstruction
from tf_shortrun.methods.latent import top_down
"""
PIN = "include 'reproduce/digits.gin'\n"
SMALL = "top_down.TopDownGenerator.latent_widths = (4,)\nFEATURES = 4\n"
RATE = "keras.optimizers.Adam.learning_rate = 1e-3\n"
BEGINS = "keras.optimizers.schedules.PiecewiseConstantDecay.boundaries = (1, 2, 3)\n"
RESTS = "keras.optimizers.schedules.PiecewiseConstantDecay.name = 'rests'\n"
NO_EVALS = "experiment.Experiment.evals = []\n"
TIMES = "reconstruction.Reconstruction.times = (1,)\n"
OTHER = "keras.optimizers.SGD.momentum = 0.5\n"


@pytest.fixture
def check(tmp_path, one_replica):
    def check(*texts, flags=()):
        """Builds what the files with these texts describe, as the command does."""
        files = []
        for number, text in enumerate(texts):
            file = tmp_path / f"{number}.gin"
            file.write_text(HEAD + text)
            files.append(str(file))
        config.load(files, flags).build(one_replica)
        config.check_used()

    return check


def lines(text):
    return text.strip().splitlines()


@pytest.mark.parametrize(
    ("texts", "flags"),
    [
        ([PIN + SMALL + RATE], ""),  # the schedule is in an included file
        ([PIN + SMALL, RATE], ""),  # or in a file before
        ([PIN + SMALL + BEGINS, RATE], ""),
        ([PIN + SMALL + BEGINS], RATE),  # the flag comes after all files
        ([PIN + SMALL + NO_EVALS], ""),
        ([PIN + SMALL + TIMES], NO_EVALS),
        ([PIN + SMALL + NO_EVALS + RATE], "experiment.Experiment.pictures = ()"),
    ],
)
def test_what_a_later_file_or_flag_made_idle_is_no_mistake(check, texts, flags):
    check(*texts, flags=lines(flags))


@pytest.mark.parametrize(
    ("texts", "flags", "named"),
    [
        ([PIN + SMALL + RATE + BEGINS], "", "PiecewiseConstantDecay.boundaries"),
        ([PIN + SMALL, RATE + BEGINS], "", "PiecewiseConstantDecay.boundaries"),
        ([PIN + SMALL], RATE + BEGINS, "PiecewiseConstantDecay.boundaries"),
        ([PIN + SMALL + RATE, RESTS], "", "PiecewiseConstantDecay.name"),  # after the override
        ([PIN + SMALL + RATE], BEGINS, "PiecewiseConstantDecay.boundaries"),
        ([PIN + SMALL + NO_EVALS + TIMES], "", "Reconstruction.times"),
        ([PIN + SMALL + OTHER], "", "SGD.momentum"),  # idle with and without the override
        ([PIN + SMALL + OTHER, RATE], "", "SGD.momentum"),
        ([PIN + SMALL + "SIZE = 3\n", RATE], "", "SIZE"),
        ([PIN + SMALL], "SIZE = 3", "SIZE"),
    ],
)
def test_what_nothing_ever_used_is_a_mistake(check, texts, flags, named):
    with pytest.raises(InputError, match=rf"nothing uses the binding .*{named}: remove it"):
        check(*texts, flags=lines(flags))


def test_a_macro_that_a_flag_made_idle_is_no_mistake(check):
    macro = "RATE = 1e-3\nkeras.optimizers.Adam.learning_rate = %RATE\n"
    check(PIN + SMALL + macro)
    check(PIN + SMALL + macro, flags=lines(RATE))


def test_a_message_names_only_some_of_many_bindings(check):
    idle = "".join(f"IDLE{number} = 1\n" for number in range(9))
    with pytest.raises(InputError, match="IDLE0, IDLE1, IDLE2 and 6 more: remove it"):
        check(PIN + SMALL + idle)
