"""A run that diverges leaves a result that says so, also if weights go bad before metrics do."""

import json

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from tf_shortrun import main
from tf_shortrun.core.errors import DivergenceError
from tf_shortrun.core.optimization import descend
from tf_shortrun.methods.latent import latent_likelihood

flags.FLAGS.mark_as_parsed()
SMALL = [
    "top_down.TopDownGenerator.latent_widths = (4, 4)",
    "short_run.ShortRun.num_steps = 2",
    "FEATURES = 4",
    "experiment.Experiment.evals = []",
    "experiment.Experiment.pictures = []",
]


def diverge(workdir, num_steps, max_rollbacks):
    changed = {
        "experiment.Experiment.num_steps": num_steps,
        "experiment.Experiment.log_every": 1,
        "experiment.Experiment.max_rollbacks": max_rollbacks,
    }
    bindings = [*SMALL, *(f"{name} = {value}" for name, value in changed.items())]
    given = {"gin_file": ["reproduce/digits.gin"], "gin_bindings": bindings}
    with flagsaver.flagsaver(**given, workdir=str(workdir)), pytest.raises(DivergenceError) as e:
        main.main(["main"])
    return str(e.value), json.loads((workdir / "results.json").read_text())


@pytest.fixture(autouse=True)
def strategy(monkeypatch, one_replica):
    monkeypatch.setattr(main.workers, "strategy", lambda: one_replica)


@pytest.mark.parametrize("max_rollbacks", [0, 2])
@pytest.mark.parametrize(
    ("num_steps", "first", "failed"),
    # Metrics are those before an update: after one update only the weights are not finite.
    [(1, "model: top_down_generator", 1), (3, "loss, mse", 2)],
)
def test_what_is_left(tmp_path, monkeypatch, num_steps, first, failed, max_rollbacks):
    def descend_by_nan(optimizer, weights, loss, tape):
        with tape:
            loss = loss * np.nan
        descend(optimizer, weights, loss, tape)

    monkeypatch.setattr(latent_likelihood, "descend", descend_by_nan)
    line, result = diverge(tmp_path, num_steps, max_rollbacks)
    assert line.startswith(first) and "model: top_down_generator" in line
    assert "/kernel and" in line and "last seen: latent_norm" in line
    assert (result["status"], result["steps"], result["metrics"]) == ("diverged", failed, {})
    assert [(r["step"], r["failed"]) for r in result["rollbacks"]] == [(0, failed)] * max_rollbacks
    assert all(r["what"].startswith(first) for r in result["rollbacks"])
