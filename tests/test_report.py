"""The report page and its charts."""

import base64
import html
import html.parser
import json
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from tf_shortrun import charts, results
from tf_shortrun.errors import InputError
from tf_shortrun.report import report

EVIL = "<script src='http://evil'>alert(1)</script>\"&"
VOID = {"meta", "link", "img"}


def _write_result(workdir, **changes):
    fields = {
        "method": "short_run",
        "dataset": "digits",
        "variant": "layers3",
        "seed": 7,
        "scale": "cpu",
        "steps": 123456,
        "seconds": 9000.0,
        "hardware": {"cpu": "Abacus", "cores": 3, "memory_gib": 4.5, "gpus": []},
        "versions": {"numpy": "2.4.6"},
        "commit": "abc123+dirty",
        "command": "python -m tf_shortrun.main --gin_file=digits.gin",
        "metrics": {"mse": 0.012345678, "bound": -98765.4321, "kid/a": 0.5},
        "protocol": {"mse": "On ten images.", "bound": "On twenty images."},
    }
    results.write(workdir / "results.json", **(fields | changes))


def _write_history(workdir, rows, tail=""):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (workdir / "history.jsonl").write_text(text + tail)


def _write_picture(path, width=20):
    Image.fromarray(np.zeros([5, width, 3], np.uint8)).save(path, format="PNG")


class _Page(html.parser.HTMLParser):
    """Tags in order with their attributes; fails on a tag that is not closed in its place."""

    def __init__(self, workdir):
        super().__init__()
        self.text = report(workdir).read_text(encoding="utf-8")
        self.tags, self._open = [], []
        self.feed(self.text)
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("polygon", "polyline", "line", "circle") or self._open[-1] == tag:
            assert self._open.pop() == tag


@pytest.fixture
def workdir(tmp_path):
    _write_result(tmp_path)
    return tmp_path


def test_the_page_says_what_was_run_and_what_came_out(workdir):
    (workdir / "operative.gin").write_text("a.b = 1\n")
    _write_history(workdir, [{"step": 10, "seconds": 5.0, "loss": 3.25, "odd_name": 1.5}])
    text = _Page(workdir).text
    for part in (
        "short_run on digits, layers3", "123,456 steps", "2.5 hours", "Abacus, 3 cores", "seed 7",
        "abc123+dirty", "--gin_file=digits.gin", "0.01235", "-98,765", "0.0123457", "-98765.4",
        "On ten images.", "lower is better", "higher is better", "a.b = 1", "2.4.6", "odd_name",
        "training, step 10: 3.25", "training, step 10: 2",
    ):  # fmt: skip
        assert part in text, part
    cards = text.count('class="card"')
    assert cards == 2  # what has a protocol is a headline
    assert results.METRICS["kid/*"].meaning in text


def test_cards_do_without_a_protocol_and_are_few(workdir):
    metrics = {f"frechet/{letter}": 1.0 for letter in "abcdefgh"}
    _write_result(workdir, metrics=metrics, protocol={})
    assert _Page(workdir).text.count('class="card"') == 6


@pytest.mark.parametrize(
    ("gpus", "machine"),
    [([], "Abacus, 3 cores"), (["H200"], "1 x H200"), (["H200", "H200", "L4"], "2 x H200, 1 x L4")],
)
def test_the_machine_is_its_accelerators_or_its_processor(workdir, gpus, machine):
    hardware = {"cpu": "Abacus", "cores": 3, "memory_gib": 4.5, "gpus": gpus}
    _write_result(workdir, hardware=hardware)
    assert f" on {machine}, seed" in _Page(workdir).text


def test_everything_is_escaped_and_nothing_is_loaded(tmp_path):
    name = f"frechet/{EVIL}"
    _write_result(
        tmp_path, method=EVIL, dataset=EVIL, variant=EVIL, command=EVIL, commit=EVIL,
        metrics={name: 1.0}, protocol={name: EVIL}, versions={EVIL: EVIL},
        hardware={"cpu": EVIL, "cores": EVIL, "memory_gib": EVIL, "gpus": [EVIL]},
    )  # fmt: skip
    (tmp_path / "operative.gin").write_text(EVIL + "$title")
    _write_history(tmp_path, [{"step": 1, "seconds": 1.0, EVIL: 1.0}])
    _write_picture(tmp_path / "<img src=x onerror=alert(1)> \"'.png")
    page = _Page(tmp_path)
    assert html.escape(EVIL, quote=False)[:30].replace("'", "&#39;") in page.text
    assert "script" not in {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "href", "srcset", "data", "action"):
            assert attributes.get(key, "data:").startswith("data:")
    assert not re.search(r"url\(|@import", page.text)
    assert "$title" in page.text  # what is put into the page is not a template again


def test_pictures_travel_inside_the_page_in_the_order_of_reading(workdir):
    names = ["zebra", "layers", "samples", "apple", "interpolations", "reconstructions"]
    for name in names:
        _write_picture(workdir / f"{name}.png", width=300)
    images = [attributes for tag, attributes in _Page(workdir).tags if tag == "img"]
    expected = ["samples", "reconstructions", "interpolations", "layers", "apple", "zebra"]
    assert [image["alt"] for image in images] == expected
    data = images[0]["src"].removeprefix("data:image/png;base64,")
    assert base64.b64decode(data) == (workdir / "samples.png").read_bytes()
    assert (images[0]["width"], images[0]["height"]) == ("600", "10")  # twice, not blurred
    assert "image-rendering: pixelated" in _Page(workdir).text


def test_missing_pieces_are_left_out(workdir):
    page = _Page(workdir)
    assert not {"figure", "img", "svg"} & {tag for tag, _ in page.tags}
    # The page hides a part whose content is empty.
    for part in ('<div class="pictures"></div>', '<div class="charts"></div>', "<pre></pre>"):
        assert part in page.text


def test_without_a_result_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="results.json is missing") as error:
        report(tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["history.jsonl", "samples.png"])
def test_broken_pieces_are_named_in_one_line(workdir, name):
    (workdir / name).write_text('{"step": 1}\n{"st\n{"step": 2}\n')
    with pytest.raises(InputError, match=name) as error:
        report(workdir)
    assert "\n" not in str(error.value)
    assert not (workdir / "report.html").exists()


def test_a_killed_and_resumed_run_has_one_history(workdir):
    rows = [
        {"step": 10, "seconds": 5.0, "mse": 0.1},
        {"step": 20, "seconds": 99.0, "mse": 0.2},
        {"step": 20, "seconds": 7.0, "mse": 0.3},
        {"step": 30, "seconds": 8.0, "mse": float("nan")},
        {"step": 20, "eval": True, "mse": 0.4},
    ]
    _write_history(workdir, rows, tail='{"step": 40, "mse": 0.')
    titles = re.findall(r"<title>(\w+, step .*?)</title>", _Page(workdir).text)
    assert titles == [
        "training, step 10: 0.1", "training, step 20: 0.3", "evaluation, step 20: 0.4",
        "training, step 10: 2", "training, step 20: 5", "training, step 30: 10",
    ]  # fmt: skip


def _curve(steps, values, label="training"):
    return charts.Curve(label, np.array(steps), np.array(values))


def _shapes(svg, tag):
    return [e for e in ElementTree.fromstring(str(svg)).iter() if e.tag == tag]


def _places(element):
    return [tuple(map(float, pair.split(","))) for pair in element.get("points").split()]


def test_a_linear_chart_puts_points_where_they_belong():
    svg = charts.line_chart([_curve([0, 50, 100], [0.0, 10.0, 5.0])])
    (first, top, last) = _places(_shapes(svg, "polyline")[0])
    # 220 pixels, 18 above and 26 below the frame, and 4 % of the values beyond both ends.
    bottom, height = 194, 176
    assert first == pytest.approx((46, bottom - 0.4 / 10.8 * height), abs=0.06)
    assert top == pytest.approx((239, bottom - 10.4 / 10.8 * height), abs=0.06)
    assert last == pytest.approx((432, bottom - 5.4 / 10.8 * height), abs=0.06)
    assert "log scale" not in svg


def test_a_curve_over_decades_gets_a_log_scale():
    svg = charts.line_chart([_curve([0, 1, 2], [0.01, 1.0, 100.0])])
    ys = [y for _, y in _places(_shapes(svg, "polyline")[0])]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.11)
    assert "log scale" in svg
    labels = [text.text for text in _shapes(svg, "text")]
    assert [x for x in ("0.01", "0.1", "1", "10", "100") if x not in labels] == []


def test_a_long_curve_keeps_its_spike():
    values = np.ones(5000)
    values[2345] = 20.0
    svg = charts.line_chart([_curve(np.arange(1, 5001), values)])
    assert len(_places(_shapes(svg, "polyline")[0])) == 100
    titles = [title.text for title in _shapes(svg, "title")]
    assert titles[45] == "training, step 2,300: 1"
    assert titles[46] == "training, step 2,350: 1.38 (1 to 20)"  # (49 + 20) / 50
    assert min(y for _, y in _places(_shapes(svg, "polygon")[0])) < 30


def test_hover_columns_cover_the_frame_once():
    columns = _shapes(charts.line_chart([_curve(np.arange(1, 41), np.arange(40.0))]), "rect")
    edges = [(float(c.get("x")), float(c.get("x")) + float(c.get("width"))) for c in columns]
    assert (edges[0][0], edges[-1][1]) == pytest.approx((46, 432), abs=0.11)
    for (_, end), (start, _) in zip(edges[:-1], edges[1:], strict=True):
        assert end == pytest.approx(start, abs=0.11)


def test_labels_of_a_chart_are_text():
    svg = charts.line_chart([_curve([1, 2], [1.0, 2.0], label=EVIL)])
    assert [e.text for e in _shapes(svg, "title")] == [f"{EVIL}, step {k}: {k}" for k in (1, 2)]


@pytest.mark.parametrize(
    "values", [[3.0], [0.0], [-2.0, -2.0], [1e-30, 1e30], [-1e9, 1e9], [0.0, 1e-12]]
)
def test_odd_curves_stay_inside_the_frame(values):
    svg = charts.line_chart([_curve(np.arange(1, len(values) + 1), values)])
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
    ],
)
def test_ticks_are_round(low, high, is_log, ticks):
    assert charts.Axis(low, high, 0, 1, is_log).ticks() == pytest.approx(ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0165, "0.0165"), (-84.5512, "-84.55"), (12345.6, "12,346"), (0.0, "0"), (3e-7, "3e-07"),
        (2e15, "2e+15"), (float("nan"), "nan"), (float("inf"), "inf"), (9999.0, "9999"),
    ],
)  # fmt: skip
def test_numbers_are_for_people(value, text):
    assert charts.number(value) == text
