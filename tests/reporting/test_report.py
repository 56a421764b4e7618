"""The report page."""

import base64
import html.parser
import json
import re

import markupsafe
import numpy as np
import pytest
from PIL import Image

from result_fields import with_metrics
from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import curves, results
from tf_shortrun.reporting.report import report

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
        "status": "finished",
        **with_metrics({"mse": 0.012345678, "bound": -98765.4321, "kid/a": 0.5}),
    }
    words = with_metrics(changes.pop("metrics")) if "metrics" in changes else {}
    results.write(workdir / "results.json", **(fields | words | changes))


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
        if tag not in VOID:
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
        "steps per second",
    ):  # fmt: skip
        assert part in text, part
    assert text.count('class="card"') == 3


def test_cards_are_few(workdir):
    _write_result(workdir, metrics={f"frechet/{letter}": 1.0 for letter in "abcdefgh"})
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
        metrics={name: 1.0}, protocol={name: EVIL}, better={name: ""}, versions={EVIL: EVIL},
        hardware={"cpu": EVIL, "cores": EVIL, "memory_gib": EVIL, "gpus": [EVIL]},
    )  # fmt: skip
    (tmp_path / "operative.gin").write_text(EVIL + "$title")
    _write_history(tmp_path, [{"step": 1, "seconds": 1.0, EVIL: 1.0}])
    _write_picture(tmp_path / "<img src=x onerror=alert(1)> \"'.png")
    page = _Page(tmp_path)
    assert str(markupsafe.escape(EVIL)) in page.text
    assert "script" not in {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        assert not any(key.startswith("on") for key in attributes)
        for key in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert attributes.get(key, "#").startswith(("data:", "#"))
    assert not re.search(r"url\((?!#)|@import", page.text)
    assert "$title" in page.text  # what is put into the page is not a template again


def test_pictures_travel_inside_the_page_in_the_order_of_reading(workdir):
    names = ["zebra", "layers", "samples", "apple", "interpolations", "reconstructions"]
    for name in names:
        _write_picture(workdir / f"{name}.png", width=300)
    captions = {"samples": "Judge <variety>.", "layers": "", "of_old": "Not drawn any more."}
    (workdir / "pictures.json").write_text(json.dumps(captions))
    page = _Page(workdir)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    expected = ["samples", "layers", "apple", "interpolations", "reconstructions", "zebra"]
    assert [image["alt"] for image in images] == expected
    assert "Judge &lt;variety&gt;." in page.text and "Not drawn" not in page.text
    data = images[0]["src"].removeprefix("data:image/png;base64,")
    assert base64.b64decode(data) == (workdir / "samples.png").read_bytes()
    assert (images[0]["width"], images[0]["height"]) == ("600", "10")  # twice, not blurred
    assert "image-rendering: pixelated" in _Page(workdir).text


def test_missing_pieces_are_left_out(workdir):
    page = _Page(workdir)
    assert not {"figure", "img", "svg"} & {tag for tag, _ in page.tags}
    for part in ("Pictures", "Curves", "Step sizes", "Settings of this run"):
        assert part not in page.text


def test_without_a_result_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="results.json is missing") as error:
        report(tmp_path)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("step_sizes.jsonl", '{"step": 1}\n{"st\n{"step": 2}\n'),
        ("samples.png", "no picture"),
        ("pictures.json", '{"samp'),
        ("pictures.json", "[1]"),
        ("pictures.json", "[" * 10**5),
    ],
)
def test_broken_pieces_are_named_in_one_line(workdir, name, text):
    (workdir / name).write_text(text)
    with pytest.raises(InputError, match=name) as error:
        report(workdir)
    assert "\n" not in str(error.value)
    assert not (workdir / "report.html").exists()


def test_the_page_says_what_happened_besides_training(workdir):
    _write_result(
        workdir,
        changes=[{"name": "seed", "before": "", "now": "2", "step": 1000}],
        rollbacks=[{"step": 20, "failed": 23, "what": "loss not finite"}],
        validation={"metric": "mse", "value": 0.25, "step": 40},
    )
    text = _Page(workdir).text
    for words in (
        "After 1,000 updates seed was changed from nothing to 2.",
        "In update 23: loss not finite. The run went back to update 20,",
        "those after 40 updates, when mse of validation examples was best: 0.25.",
    ):
        assert words in text


def test_a_killed_and_resumed_run_has_one_history(workdir):
    rows = [
        {"step": 10, "seconds": 5.0, "mse": 0.1},
        {"step": 20, "seconds": 99.0, "mse": 0.2},
        {"step": 20, "seconds": 7.0, "mse": 0.3},
        {"step": 30, "seconds": 8.0, "mse": float("nan")},
    ]
    (workdir / "validation.jsonl").write_text('{"step": 20, "mse": 0.4}\n')
    _write_history(workdir, rows, tail='{"step": 40, "mse": 0.')
    report(workdir)
    mse, speed = curves.history_charts(workdir)
    points = [[(c.label, *xy) for xy in zip(c.x, c.y, strict=True)] for c in mse.curves]
    assert points == [[("training", 10, 0.1), ("training", 20, 0.3)], [("validation", 20, 0.4)]]
    assert (speed.title, speed.curves[0].y.tolist()) == ("steps per second", [2.0, 5.0, 10.0])


@pytest.mark.parametrize("junk", [b"\xff\x00", b"[1]", b'{"mse": 1}', b'{"step": 2, "mse": "x"}'])
def test_lines_of_a_history_that_cannot_be_read_are_left_out(workdir, junk, caplog):
    rows = [b'{"step": %d, "seconds": 1.0, "mse": 0.5}' % step for step in (1, 2)]
    (workdir / "history.jsonl").write_bytes(b"\n".join([rows[0], junk, rows[1], b""]))
    report(workdir)
    (chart,) = (c for c in curves.history_charts(workdir) if c.title == "mse")
    assert chart.curves[0].x.tolist() == [1, 2] and "1 of 3 lines cannot be read" in caplog.text


def _write_choices(workdir, rows, tail=""):
    text = "".join(json.dumps({"seconds": 1.0, **row}) + "\n" for row in rows)
    (workdir / "step_sizes.jsonl").write_text(text + tail)


def _titles(workdir):
    """Returns the curves that the page shows, by label: {x: y} as text."""
    report(workdir)
    shown = [curve for chart in curves.step_size_charts(workdir) for curve in chart.curves]
    return {
        curve.label: {f"{x:g}": f"{y:.4g}" for x, y in zip(curve.x, curve.y, strict=True)}
        for curve in shown
    }


def test_step_sizes_over_training_along_the_chain_and_by_layer(workdir):
    # K = 3, L = 2: geometric means 0.02 and (8 1 2 4 2 1)^(1/6) / 100; layer 2 is the top.
    first = [[0.02, 0.02]] * 3
    last = [[0.08, 0.01], [0.02, 0.04], [0.02, 0.01]]
    rows = [{"step": 1, "step_sizes": first}, {"step": 11, "step_sizes": last}]
    _write_choices(workdir, [{"values": [3.0], **row} for row in rows], tail='{"step": 21, "ste')
    found = _titles(workdir)
    mean = 2 ** (7 / 6) / 100
    assert found["geometric mean"] == {"1": "0.02", "11": f"{mean:.4g}"}
    assert found["first of the chain"] == {"1": "0.02", "11": "0.02828"}
    assert found["last of the chain"] == {"1": "0.02", "11": "0.01414"}
    assert found["layer 2"] == {"1": "0.08", "2": "0.02", "3": "0.02"}
    assert found["layer 1"] == {"1": "0.01", "2": "0.04", "3": "0.01"}
    assert "along the chain, from step 11<" in _Page(workdir).text
    assert "objective" not in _Page(workdir).text
    alone = (workdir / "step_sizes.svg").read_text()
    assert "xmlns=" in alone and "first of the chain" in alone


def test_one_step_size_for_all_has_one_curve_and_no_schedule(workdir):
    _write_choices(workdir, [{"step": 1, "step_sizes": [[0.01]] * 4, "values": [1.0]}])
    assert _titles(workdir) == {"geometric mean": {"1": "0.01"}}


def test_layers_that_agree_are_one_curve(workdir):
    _write_choices(workdir, [{"step": 1, "step_sizes": [[0.01, 0.01], [0.02, 0.02]]}])
    found = _titles(workdir)
    assert found["all layers"] == {"1": "0.01", "2": "0.02"}
    assert not [label for label in found if label.startswith("layer")]


def test_a_search_is_shown_above_its_best_at_five_times(workdir):
    candidates = [0.004, 0.001, 0.002, 0.008, 0.016]  # in the order of the search
    rows = []
    for k in range(9):
        values = [5.0 - k, 7.0 - k, 6.0 - k, 1e20, float("nan")]
        rows.append({"step": 10 * k + 1, "candidates": candidates, "values": values})
    _write_choices(workdir, [{"step_sizes": [[0.004]], **row} for row in rows])
    found = _titles(workdir)
    above = {"0.001": "2", "0.002": "1", "0.004": "0"}
    assert list(found["step 1"]) == list(above)  # a line goes from left to right
    expected = {f"step {step}": above for step in (1, 21, 41, 61, 81)}
    assert {label: curve for label, curve in found.items() if label != "geometric mean"} == expected
    assert "step size" in _Page(workdir).text


def test_a_search_without_a_finite_value_is_left_out(workdir):
    row = {"step": 1, "step_sizes": [[0.1]], "candidates": [0.1, 0.2], "values": [float("nan")] * 2}
    _write_choices(workdir, [row])
    assert set(_titles(workdir)) == {"geometric mean"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"step": 3}, "step_sizes"),
        ({"step": 3, "step_sizes": [0.1, 0.2]}, "step 3"),
        ({"step": 3, "step_sizes": [[0.1], [0.2, 0.3]]}, "step_sizes.jsonl"),
        ({"step": 3, "step_sizes": [[0.0]]}, "positive"),
        ({"step": 3, "step_sizes": [[float("nan")]]}, "positive"),
        ({"step": 3, "step_sizes": [[0.1]], "candidates": [1, 2], "values": [1]}, "2 candidates"),
    ],
)
def test_broken_step_sizes_are_named_in_one_line(workdir, row, reason):
    _write_choices(workdir, [row])
    with pytest.raises(InputError, match=reason) as error:
        report(workdir)
    assert "step_sizes.jsonl" in str(error.value)
    assert "\n" not in str(error.value)
