"""Charts, inside a page and as files of their own."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import charts, figure
from tf_shortrun.reporting.charts import Chart, Curve
from tools import step_sizes

EVIL = "<script src='http://evil'>alert(1)</script>\"&$x^2$"


def _curve(x, y, label="training"):
    return Curve(label, np.array(x), np.array(y))


def _axes(*curves, **options):
    axes = Figure().subplots()
    charts.draw(axes, Chart("title", curves, **options))
    return axes


def _words(svg):
    return [e.text for e in ElementTree.fromstring(str(svg)).iter() if e.tag.endswith("text")]


def test_a_chart_has_its_curves_and_begins_at_zero():
    axes = _axes(_curve([50, 100], [10.0, 5.0]), _curve([50, 100], [2.0, 1.0], "evaluation"))
    assert [line.get_xydata().tolist() for line in axes.lines] == [
        [[50.0, 10.0], [100.0, 5.0]],
        [[50.0, 2.0], [100.0, 1.0]],
    ]
    assert axes.get_xlim() == (0, 102) and axes.get_yscale() == "linear"
    assert [text.get_text() for text in axes.get_legend().texts] == ["training", "evaluation"]


@pytest.mark.parametrize(
    ("values", "scale"), [([0.01, 1, 100], "log"), ([1.0, 29], "linear"), ([0, 99], "linear")]
)
def test_a_curve_over_decades_gets_a_log_scale(values, scale):
    assert _axes(_curve(range(len(values)), values)).get_yscale() == scale


def test_numbers_on_a_log_axis_are_plain():
    chart = Chart("t", [_curve([0.001, 0.01, 0.1], [1.0, 2.0, 3.0])], "size", is_x_log=True)
    words = _words(figure.inline(chart))
    assert {"0.001", "0.01", "0.1", "size"} <= set(words)
    assert not [word for word in words if "$" in word or "step" in word]


def test_a_long_curve_keeps_its_spike():
    values = np.ones(5000)
    values[2345] = 20.0
    x, mean, low, high = charts.binned(_curve(np.arange(1, 5001), values))
    assert len(x) == 100 and x[46] == 2350
    assert (mean[46], low[46], high[46]) == (1.38, 1.0, 20.0)  # (49 + 20) / 50
    (band,) = _axes(_curve(np.arange(1, 5001), values)).collections
    assert band.get_paths()[0].vertices[:, 1].max() == 20


def test_curves_with_one_label_share_a_colour_and_colours_repeat():
    curves = [_curve([1, 2], [1.0, 2.0], label) for label in "abacdefghij"]
    axes = _axes(*curves)
    colours = [charts.COLOURS.index(line.get_color()) for line in axes.lines]
    assert colours == [0, 1, 0, 2, 3, 4, 5, 6, 7, 0, 1]
    assert [text.get_text() for text in axes.get_legend().texts] == list("abcdefghij")


def test_in_a_page_a_chart_has_the_colours_of_the_page_and_loads_nothing():
    svg = figure.inline(Chart(EVIL, [_curve([1, 2], [1.0, 2.0], EVIL)]))
    assert svg.startswith("<svg") and _words(svg).count(EVIL) == 2  # title and legend
    assert "var(--c0)" in svg and "var(--ink)" in svg and "#2b6c8f" not in svg
    assert not re.search(r"url\((?!#)|@import|<script|<image|<metadata", svg)
    links = re.findall(r'href="(.*?)"', svg)
    assert all(link.startswith("#") for link in links)


def test_a_file_is_complete_in_itself_and_repeats(tmp_path):
    drawn = [Chart(EVIL, [_curve([1, 2], [1.0, 2.0])]), Chart("second", [_curve([1], [1.0])])]
    figure.write(tmp_path / "a.svg", drawn)
    text, pdf = (tmp_path / "a.svg").read_bytes(), (tmp_path / "a.pdf").read_bytes()
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    words = _words(text.decode())
    assert EVIL in words and "second" in words and b"var(" not in text
    assert pdf.startswith(b"%PDF")
    figure.write(tmp_path / "a.svg", drawn)
    assert (tmp_path / "a.svg").read_bytes() == text and (tmp_path / "a.pdf").read_bytes() == pdf


def test_the_study_of_step_sizes_marks_single_ones_on_the_true_curve():
    place = 43
    single, schedule = np.full(20, step_sizes.GRID[place]), np.array([0.2, 0.1])
    kl, learned = step_sizes.charts({"single": single, "schedule": schedule})
    truth, estimate, mark = kl.curves
    assert (mark.x[0], mark.y[0]) == pytest.approx((truth.x[place], truth.y[place]))
    assert truth.x[np.argmin(truth.y)] > 3 * estimate.x[np.argmin(estimate.y)]  # its bias
    ((label, x, y),) = learned.curves
    assert (label, x.tolist(), y.tolist()) == ("schedule", [1, 2], [0.2, 0.1])


def test_a_figure_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot write") as error:
        figure.write(tmp_path / "no" / "a.svg", [Chart("t", [_curve([1], [1.0])])])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "values", [[3.0], [0.0], [-2.0, -2.0], [1e-30, 1e30], [-1e9, 1e9], [0.0, 1e-12]]
)
def test_odd_curves_can_be_drawn(values):
    chart = Chart("t", [_curve(np.arange(1, len(values) + 1), values)])
    assert "training" in _words(figure.inline(chart))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0165, "0.0165"), (-84.5512, "-84.55"), (12345.6, "12,346"), (0.0, "0"), (3e-7, "3e-07"),
        (2e15, "2e+15"), (float("nan"), "nan"), (float("inf"), "inf"), (9999.0, "9999"),
    ],
)  # fmt: skip
def test_numbers_are_for_people(value, text):
    assert charts.number(value) == text
