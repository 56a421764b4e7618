"""Tests of the comparison of variants: its table against one by hand, its figure by the curves."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

from result_fields import with_metrics
from tf_shortrun.reporting import results
from tools import compare

FIELDS = {
    "method": "short_run",
    "dataset": "digits",
    "scale": "cpu",
    "steps": 10,
    "hardware": {"cpu": "x", "cores": 2, "memory_gib": 4.0, "gpus": []},
    "versions": {"numpy": "2"},
    "commit": None,
    "command": "python -m tf_shortrun.main",
    "status": "finished",
}


def _write(folder, variant, seed, mse, sizes=(), **changes):
    """Writes a run; `sizes` are the step sizes [K, L] that it chose at steps 1, 11, ..."""
    folder.mkdir()
    fields = {"variant": variant, "seed": seed, "seconds": 10.0 * seed}
    words = with_metrics(changes.pop("metrics", {"mse": mse}))
    results.write(folder / "results.json", **(FIELDS | fields | words | changes))
    rows = [{"step": 10 * k + 1, "seconds": 1.0, "step_sizes": s} for k, s in enumerate(sizes)]
    if rows:
        (folder / "step_sizes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


@pytest.fixture
def runs(tmp_path):
    """Returns two runs with learned step sizes and one without."""
    return [
        _write(tmp_path / "a", "learned", 1, 0.25, [[[0.01]], [[0.02, 0.08]]]),
        _write(tmp_path / "b", "", 1, 0.5, metrics={"mse": 0.5, "kid/a": 2.0}),
        _write(tmp_path / "c", "learned", 2, 0.35, [[[0.01]], [[0.03]], [[0.01]]]),
    ]


def test_the_table_has_means_and_deviations_over_seeds(runs, capsys):
    assert compare.main(["--metrics=mse", *runs]) == 0
    # The deviation is |0.25 - 0.35| / sqrt(2); times are 10 and 20 seconds. A run without a variant
    # has the name of its method.
    assert capsys.readouterr().out.splitlines() == [
        "| variant | seeds | mse | seconds |",
        "| --- | --- | --- | --- |",
        "| learned | 2 | 0.3 ± 0.071 | 15 ± 7.1 |",
        "| short_run | 1 | 0.5 | 10 |",
    ]


def test_a_results_file_is_accepted_and_columns_follow_the_metrics(runs, tmp_path, capsys):
    assert compare.main(["--metrics=kid/a,mse", str(tmp_path / "b" / "results.json")]) == 0
    assert capsys.readouterr().out.splitlines()[::2] == [
        "| variant | seeds | kid/a | mse | seconds |",
        "| short_run | 1 | 2 | 0.5 | 10 |",
    ]


def test_the_figure_has_a_curve_for_each_run_with_step_sizes(runs, tmp_path):
    out = tmp_path / "steps.svg"
    assert compare.main(["--metrics=mse", f"--out={out}", *runs]) == 0
    words = "".join(ElementTree.parse(out).getroot().itertext())
    assert "step size, geometric mean" in words and "learned" in words
    assert "short_run" not in words
    curves = compare.chart(compare.read_runs([Path(run) for run in runs])).curves
    assert [(curve.label, len(curve.x)) for curve in curves] == [("learned", 2), ("learned", 3)]
    assert curves[0].x.tolist() == [1, 11]
    np.testing.assert_allclose(curves[0].y, [0.01, 0.04])  # sqrt(2 * 8) / 100


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataset": "mnist"}, "has dataset mnist, "),
        ({"method": "vae"}, "has method vae, "),
        ({"scale": "paper"}, "has scale paper, "),
        ({"variant": "learned", "seed": 2}, "variant and seed of another run"),
        ({"metrics": {"nll": 1.0}}, "has no metric 'mse': choose from nll"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(runs, tmp_path, capsys, changes, reason):
    _write(tmp_path / "d", **({"variant": "other", "seed": 3, "mse": 0.1} | changes))
    assert compare.main(["--metrics=mse", *runs, str(tmp_path / "d")]) == 2
    _one_line(capsys, reason)


def test_other_mistakes_are_reported_in_one_line(runs, tmp_path, capsys):
    assert compare.main(["--metrics=mse", str(tmp_path / "none")]) == 2
    _one_line(capsys, "is missing")
    out = tmp_path / "steps.svg"
    assert compare.main(["--metrics=mse", f"--out={out}", runs[1]]) == 2
    _one_line(capsys, "nothing to draw")
    assert not out.exists()
    (tmp_path / "a" / "step_sizes.jsonl").write_text('{"step": 1}\n')
    assert compare.main(["--metrics=mse", f"--out={out}", *runs]) == 2
    _one_line(capsys, "step_sizes.jsonl has no step sizes")


def _one_line(capsys, reason):
    (line,) = capsys.readouterr().err.splitlines()
    assert reason in line
