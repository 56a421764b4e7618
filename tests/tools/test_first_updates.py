"""The tool that looks inside a generator in its first updates."""

from pathlib import Path

import numpy as np

from tools import first_updates

STEADY = ["reproduce/digits.gin", "FEATURES = 8", "experiment.Experiment.batch_size = 10"]
RATE = "keras.optimizers.schedules.PiecewiseConstantDecay.values = {}"
HIGH, LOW = (RATE.format((rate,) * 4) for rate in (0.3, 1e-5))


def test_a_rate_far_too_high_saturates_and_a_low_one_does_not():
    high, low = (list(first_updates.follow([*STEADY, rate], 3)) for rate in (HIGH, LOW))
    assert all(set(row) == set(first_updates.COLUMNS) for row in [*high, *low])
    assert high[-1]["saturated"] > 0.5 and high[-1]["features"] > 10 * high[0]["features"] / 3
    assert low[-1]["saturated"] == 0
    np.testing.assert_allclose(low[0]["features"], low[-1]["features"], rtol=0.05)


def test_what_cannot_be_looked_into_is_refused_in_one_line(tmp_path, capsys):
    path = tmp_path / "one.py"
    text = "from tf_shortrun.reporting.study import Study\nSTUDY = Study('t', {}, (1,))\n"
    Path(path).write_text(text.replace("{}", "{'a_b': ('reproduce/walkback_digits.gin',)}"))
    assert first_updates.main([str(path), "c"]) == 2
    assert "choose one of a_b" in capsys.readouterr().err
    assert first_updates.main([str(path), "a_b"]) == 2
    assert "no TopDownGenerator" in capsys.readouterr().err
    assert first_updates.main([str(path), "a_b", "--change=nothing.of_this = 1"]) == 2
    assert "nothing is called nothing" in capsys.readouterr().err
