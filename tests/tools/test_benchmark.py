"""Tests of the fits, counts and times of the benchmark, against known numbers."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.flops import count_flops
from tools import benchmark, memory, timing

ROOT = Path(__file__).parents[2]


def test_fit_finds_the_line_through_the_times():
    num_steps = [5, 10, 20]
    assert timing.fit(num_steps, [3.0 + 0.5 * k for k in num_steps]) == pytest.approx((3.0, 0.5))


def test_times_that_do_not_grow_are_no_speed():
    with pytest.raises(InputError, match="took 7, 4, 5 ms, .* raise --repeats"):
        timing.fit([1, 2, 4], [0.007, 0.004, 0.005])


def test_times_of_two_functions_are_ordered():
    short, long = timing.measure([lambda: time.sleep(0.01), lambda: time.sleep(0.03)], 5)
    assert 0.01 <= short.low <= short.median <= short.high < 0.03 <= long.low <= long.high


def test_operations_of_a_matrix_product_are_counted():
    a, b = tf.ones([3, 5]), tf.ones([5, 7])
    assert count_flops(tf.matmul, a, b) == 2 * 3 * 5 * 7


def test_arms_are_compared_in_pairs_even_if_a_value_is_0(monkeypatch):
    seconds = iter([1.0, 3.0, 2.0, 2.0, 1.0, 2.0])  # (kept, given back) in three rounds

    def numbers(arguments, switch):
        faults = 600.0 if switch == "0" else 0.0
        by_name = dict.fromkeys(memory.COMPARED, next(seconds))
        return by_name | {"page_faults_per_step": faults}

    monkeypatch.setattr(memory, "_run", numbers)
    compared = memory.compare([], rounds=3)
    assert compared["kept"]["seconds_per_update"] == 1.0
    ratios = compared["given_back_over_kept"]
    assert ratios["seconds_per_update"] == 2.0
    assert ratios["page_faults_per_step"] == float("inf")


def test_the_file_has_the_measurements(tmp_path, monkeypatch, one_replica):
    monkeypatch.setattr(benchmark, "_strategy", lambda _: one_replica)
    file = tmp_path / "speed.json"
    bindings = (
        *("experiment.Experiment.batch_size = 10", "short_run.ShortRun.num_steps = 64"),
        "top_down.TopDownGenerator.latent_widths = (8, 8)",
    )
    small = ["--repeats=2", *(f"--gin_bindings={binding}" for binding in bindings)]
    assert benchmark.main(["--gin_file=reproduce/digits.gin", f"--json={file}", *small]) == 0
    numbers = json.loads(file.read_text())
    names = (
        "seconds_per_langevin_step seconds_per_update compile_seconds peak_rss_bytes "
        "flops_per_step achieved_flops measured_peak_flops"
    )
    for name in names.split():
        assert np.isfinite(numbers[name]), name
    assert numbers["flops_per_step"] > 1e7 and numbers["seconds_per_langevin_step"] > 0


@pytest.mark.parametrize("method", ["walkback", "vae"])
def test_a_pin_without_a_chain_is_refused_in_one_line(method, monkeypatch, capsys, one_replica):
    monkeypatch.setattr(benchmark, "_strategy", lambda _: one_replica)
    file = f"--gin_file=reproduce/{method}_digits.gin"
    assert benchmark.main([file, "--gin_bindings=IMAGE_SHAPE = (8, 8, 1)"]) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    assert "is not a learner that infers by a chain" in line and "leave the benchmark out" in line
