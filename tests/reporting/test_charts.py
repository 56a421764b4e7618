"""Charts, inside a page and as a file of their own."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import axis, charts, figure
from tf_shortrun.reporting.charts import Chart, Curve
from tools import step_sizes

EVIL = "<script src='http://evil'>alert(1)</script>\"&"


def _curve(x, y, label="training"):
    return Curve(label, np.array(x), np.array(y))


def _svg(*curves, **options):
    return charts.line_chart(Chart("title", curves, **options))


def _shapes(svg, tag):
    tags = (tag, "{http://www.w3.org/2000/svg}" + tag)
    return [e for e in ElementTree.fromstring(str(svg)).iter() if e.tag in tags]


def _places(element):
    return [tuple(map(float, pair.split(","))) for pair in element.get("points").split()]


def test_a_linear_chart_puts_points_where_they_belong():
    svg = _svg(_curve([0, 50, 100], [0.0, 10.0, 5.0]))
    (first, top, last) = _places(_shapes(svg, "polyline")[0])
    # 236 pixels, 18 above and 42 below the frame, and 4 % of the values beyond both ends.
    bottom, height = 194, 176
    assert first == pytest.approx((46, bottom - 0.4 / 10.8 * height), abs=0.06)
    assert top == pytest.approx((239, bottom - 10.4 / 10.8 * height), abs=0.06)
    assert last == pytest.approx((432, bottom - 5.4 / 10.8 * height), abs=0.06)
    assert "log scale" not in svg


def test_a_curve_over_decades_gets_a_log_scale():
    svg = _svg(_curve([0, 1, 2], [0.01, 1.0, 100.0]))
    ys = [y for _, y in _places(_shapes(svg, "polyline")[0])]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.11)
    assert "log scale" in svg
    labels = [text.text for text in _shapes(svg, "text")]
    assert [x for x in ("0.01", "0.1", "1", "10", "100") if x not in labels] == []


def test_a_long_curve_keeps_its_spike():
    values = np.ones(5000)
    values[2345] = 20.0
    svg = _svg(_curve(np.arange(1, 5001), values))
    assert len(_places(_shapes(svg, "polyline")[0])) == 100
    titles = [title.text for title in _shapes(svg, "title")]
    assert titles[45] == "training, step 2,300: 1"
    assert titles[46] == "training, step 2,350: 1.38 (1 to 20)"  # (49 + 20) / 50
    assert min(y for _, y in _places(_shapes(svg, "polygon")[0])) < 30


def test_hover_columns_cover_the_frame_once():
    columns = _shapes(_svg(_curve(np.arange(1, 41), np.arange(40.0))), "rect")
    edges = [(float(c.get("x")), float(c.get("x")) + float(c.get("width"))) for c in columns]
    assert (edges[0][0], edges[-1][1]) == pytest.approx((46, 432), abs=0.11)
    for (_, end), (start, _) in zip(edges[:-1], edges[1:], strict=True):
        assert end == pytest.approx(start, abs=0.11)


def test_labels_of_a_chart_are_text():
    svg = _svg(_curve([1, 2], [1.0, 2.0], label=EVIL))
    assert [e.text for e in _shapes(svg, "title")] == [f"{EVIL}, step {k}: {k}" for k in (1, 2)]


def test_a_log_axis_below_begins_at_the_data_and_gives_decades_equal_room():
    svg = _svg(_curve([0.001, 0.01, 0.1], [1.0, 2.0, 3.0]), x_title="size", is_x_log=True)
    low, middle, high = (x for x, _ in _places(_shapes(svg, "polyline")[0]))
    assert high - middle == pytest.approx(middle - low, abs=0.11)
    assert 46 < low < 60 and 418 < high < 432
    labels = [text.text for text in _shapes(svg, "text")]
    assert {"size, log scale", "0.001", "0.01", "0.1"} <= set(labels)
    assert "step" not in labels
    assert _shapes(svg, "title")[0].text == "training, size 0.001: 1"


def test_curves_of_one_label_share_a_colour_and_many_take_turns():
    curves = [_curve([1, 2], [1.0, 2.0], label) for label in "abacdefghij"]
    lines = _shapes(_svg(*curves), "polyline")
    colours = [int(line.get("class").removeprefix("line c")) for line in lines]
    assert colours == [0, 1, 0, 2, 3, 4, 5, 6, 7, 0, 1]
    for colour in colours:
        assert figure.STYLE.count(f".c{colour} {{ color: #") == 2  # by day and by night


def test_long_curves_in_one_frame_can_all_be_touched():
    long, other = (_curve(np.arange(40), np.arange(40.0), label) for label in ("long", "other"))
    few = _curve([1, 2], [1.0, 2.0], "few")
    svg = _svg(long, few)
    assert (len(_shapes(svg, "rect")), len(_shapes(svg, "circle"))) == (40, 2)
    svg = _svg(long, other)
    assert (len(_shapes(svg, "rect")), len(_shapes(svg, "circle"))) == (0, 80)
    assert {title.text for title in _shapes(svg, "title")} >= {
        "long, step 5: 5",
        "other, step 5: 5",
    }


def _figure(tmp_path, *drawn):
    figure.write(tmp_path / "a.svg", drawn)
    return (tmp_path / "a.svg").read_text()


def test_a_figure_is_complete_in_itself(tmp_path):
    mark = _curve([0.5], [3.0], "the mark")
    first = Chart(EVIL, [_curve([1, 2], [1.0, 2.0], EVIL), mark])
    text = _figure(tmp_path, first, Chart("second", [_curve([1], [1.0], "b"), mark]))
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    width, height = (float(root.get(name)) for name in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    words = [element.text for element in _shapes(text, "text")]
    assert words.count(EVIL) == 2  # the title and the legend
    assert words.count("the mark") == 2 and words.count("second") == 1
    assert not re.search(r"url\(|@import|href|<script|var\(", text)
    # Legends: a line and a dot, then two dots.
    assert len(_shapes(text, "line")) - text.count('class="grid"') == 1
    dots = [c.get("cx") for c in _shapes(text, "circle") if not len(c)]
    assert len(dots) == 3
    # Both panels lie inside, the second below the first.
    panels = [e.get("transform") for e in root if e.tag.endswith("}g")]
    tops = [int(re.fullmatch(r"translate\(16,(\d+)\)", t)[1]) for t in panels]
    assert 0 < tops[0] < tops[0] + charts.HEIGHT < tops[1] < height - charts.HEIGHT


def test_a_long_legend_breaks_its_lines(tmp_path):
    labels = [f"a label of some length, number {k}" for k in range(5)]
    text = _figure(tmp_path, Chart("t", [_curve([1, 2], [1.0, 2.0], label) for label in labels]))
    places = {
        e.text: (float(e.get("x")), float(e.get("y")))
        for e in _shapes(text, "text")
        if e.text in labels
    }
    assert len(set(places.values())) == 5
    for label, (x, _) in places.items():
        assert x == 22 or x + 5 * len(label) < charts.WIDTH
    (frame,) = re.findall(r'<g transform="translate\(0,(\d+)\)">', text)
    assert max(y for _, y in places.values()) < float(frame)


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
def test_odd_curves_stay_inside_the_frame(values):
    svg = _svg(_curve(np.arange(1, len(values) + 1), values))
    for x, y in _places(_shapes(svg, "polyline")[0]):
        assert 46 <= x <= 432
        assert 18 <= y <= 194


@pytest.mark.parametrize(
    ("low", "high", "is_log", "ticks"),
    [
        (0, 6000, False, [0, 1000, 2000, 3000, 4000, 5000, 6000]),
        (0, 10, False, [0, 2, 4, 6, 8, 10]),
        (-0.31, 0.17, False, [-0.3, -0.2, -0.1, 0, 0.1]),
        (0.02, 2, True, [0.03, 0.1, 0.3, 1]),
        (1, 1e4, True, [1, 10, 100, 1e3, 1e4]),
        (0.004, 0.009, True, [0.004, 0.005, 0.006, 0.007, 0.008, 0.009]),
    ],
)
def test_ticks_are_round(low, high, is_log, ticks):
    assert axis.Axis(low, high, 0, 1, is_log).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0165, "0.0165"), (-84.5512, "-84.55"), (12345.6, "12,346"), (0.0, "0"), (3e-7, "3e-07"),
        (2e15, "2e+15"), (float("nan"), "nan"), (float("inf"), "inf"), (9999.0, "9999"),
    ],
)  # fmt: skip
def test_numbers_are_for_people(value, text):
    assert charts.number(value) == text
