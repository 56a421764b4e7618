"""The frame of all results."""

import numpy as np
import pytest

import tf_shortrun as sr
from result_fields import FIELDS, with_metrics
from tf_shortrun.reporting import results


def write(path, metrics, **fields):
    path.parent.mkdir(parents=True, exist_ok=True)
    results.write(path, **(FIELDS | with_metrics(metrics) | fields))


def test_a_row_is_a_run_and_a_column_a_metric(tmp_path):
    write(tmp_path / "latent/b.json", {"mse": 0.5}, seed=2)
    write(tmp_path / "latent/a.json", {"mse": 0.25, "kid/x": 1.0}, seed=1)
    write(tmp_path / "energy/c.json", {}, method="abp", status="diverged")
    found = sr.results(tmp_path)
    assert list(found.index) == ["energy/c.json", "latent/a.json", "latent/b.json"]
    assert list(found["name"]) == ["abp_mnist", "vae_mnist", "vae_mnist"]
    assert list(found["mse"][1:]) == [0.25, 0.5]
    assert np.isnan(found["mse"].iloc[0]) and np.isnan(found["kid/x"].iloc[2])
    assert found.groupby("name")["mse"].mean()["vae_mnist"] == 0.375


def test_of_a_folder_of_runs_only_results_are_read(tmp_path):
    write(tmp_path / "runs/demo/results.json", {"mse": 0.5})
    (tmp_path / "runs/demo/data.json").write_text("{}")
    assert list(sr.results(tmp_path / "runs").index) == ["demo/results.json"]


def test_no_results_and_no_result_are_one_line(tmp_path):
    with pytest.raises(sr.InputError, match="has no results"):
        sr.results(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(sr.InputError, match="is not a result"):
        sr.results(tmp_path)
