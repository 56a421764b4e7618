"""Whatever damages the side files of a run: the rows that are whole are kept, no other error."""

import contextlib
import json
import math
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from damage import damaged_bytes
from result_fields import FIELDS
from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import curves, results
from tf_shortrun.training import lock
from tf_shortrun.training.configuration import Kept
from tf_shortrun.training.history import History

LAST = 12
ROWS = [
    {"step": step, "seconds": step / 8, "loss": -1.5e-3 * step, "seconds_per_step": 0.125}
    for step in range(2, LAST + 1, 2)
]
LINES = [json.dumps(row).encode() + b"\n" for row in ROWS]
JUNK = st.binary(max_size=9).map(lambda junk: junk.translate(None, b"\n\r"))
CHOICES = b"".join(
    json.dumps({"step": step, "seconds": 0.5, "step_sizes": [[0.25], [0.5]]}).encode() + b"\n"
    for step in (1, 4, 7)
)


@st.composite
def histories(draw):
    """Returns lines of which some are torn, gone or preceded by junk, and the steps of the others.

    A torn line ends without a line end if the process died there, and the next one follows it.
    """
    text, whole, is_torn = b"", [], False
    for row, line in zip(ROWS, LINES, strict=True):
        what = draw(st.sampled_from(["whole", "whole", "torn", "torn, mended", "gone", "junk"]))
        if what == "junk":
            text, is_torn = text + draw(JUNK) + b"\n", False
        if what in ("whole", "junk"):
            text, whole = text + line, whole + [row] * (not is_torn)
            is_torn = False
        if what.startswith("torn"):
            text += line[: draw(st.integers(1, len(line) - 2))] + b"\n" * (what != "torn")
            is_torn = what == "torn"
    return text, whole


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@given(histories(), st.integers(0, LAST + 1))
def test_of_a_history_exactly_the_whole_rows_up_to_a_step_are_kept(place, history, step):
    text, whole = history
    (place / "history.jsonl").write_bytes(text)
    kept = [row for row in whole if row["step"] <= step]
    found = History(place, step)
    for name in ROWS[0].keys() - {"step"}:
        assert found.curve(name) == [row[name] for row in kept]
    assert found.curve("step") == [row["step"] for row in kept]
    assert found.seconds == (kept[-1]["seconds"] if kept else 0.0)


@example(b'{"step": 4}\n', b"[" * 10**5 + b"\n")  # a step alone; too deep for the parser
@example(b'{"step": true, "seconds": "x"}\n{"step": 2, "seconds": 1e999}\n', b"")
@example(b'{"step": 2, "seconds": 1%s}\n{"step": 1%s}\n' % (400 * b"0", 400 * b"0"), b"")
@given(damaged_bytes(b"".join(LINES)), damaged_bytes(CHOICES))
def test_no_damage_of_side_files_is_an_error(place, history, choices):
    """Of the choices of step sizes the report refuses some in one line."""
    (place / "history.jsonl").write_bytes(history)
    (place / "step_sizes.jsonl").write_bytes(choices)
    found = History(place, LAST)
    steps = found.curve("step")
    assert steps == sorted(set(steps)) and all(0 < step <= LAST for step in steps)
    assert math.isfinite(found.seconds) and all(map(math.isfinite, found.speed.values()))
    assert all(len(c.x) for chart in curves.history_charts(place) for c in chart.curves)
    with one_line():
        curves.step_size_charts(place)


@contextlib.contextmanager
def one_line():
    """Lets through what is refused in one line."""
    try:
        yield
    except InputError as error:
        assert "\n" not in str(error)


CONFIGURATION = {"configuration": {"seed": "1"}, "changes": [
    {"name": "seed", "before": "1", "now": "2", "step": 3}]}  # fmt: skip
OWNER = {"host": socket.gethostname(), "process": 123, "started": "456"}
WRONG = [{}, FIELDS | {"metrics": []}, OWNER | {"process": "x"}]
LARGE = [[], [1], OWNER | {"process": 2**70}]


@example(b"[" * 10**5, b"[" * 10**5, b"[" * 10**5)
@example(*(json.dumps(x).encode() for x in WRONG))
@example(*(json.dumps(x).encode() for x in LARGE))
@given(*(damaged_bytes(json.dumps(x).encode()) for x in (CONFIGURATION, FIELDS, OWNER)))
def test_a_damaged_file_of_one_object_is_read_or_refused_in_one_line(
    place, configuration, result, owner
):
    (place / "configuration.json").write_bytes(configuration)
    (place / "results.json").write_bytes(result)
    (place / "lock").write_bytes(owner)
    with one_line():
        kept = Kept(place)
        assert all(change.step == 3 for change in kept.compare({"seed": "1"}, 3))
    with one_line():
        results.read(place / "results.json")
    with one_line(), lock.locked(place):
        pass
