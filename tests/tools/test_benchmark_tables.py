"""Tables of a page come from the files of the benchmark."""

import json

import pytest

from tf_shortrun.core.errors import InputError
from tools import benchmark_tables, results_table

NUMBERS = {
    "kept": {"faults": 457.44, "bytes": 1485672448.0, "cpu": "AMD EPYC"},
    "ratio": {"faults": 2.5},
    "faults": 0.0123456,
}
ASKS = """Text
<!-- benchmark: */faults as page faults, */bytes / 1e9? as GB, */cpu? as processor
a kept: kept
a ratio
-->
{}<!-- /benchmark -->
<!-- benchmark: *faults
a kept/: kept, again
a: alone
-->
{}<!-- /benchmark -->
End
"""
PAGE = ASKS.format("| old |\n", "")
FILLED = ASKS.format(
    """\
|  | page faults | GB | processor |
| --- | --- | --- | --- |
| kept | 457.4 | 1.486 | AMD EPYC |
| a ratio | 2.5 |  |  |
""",
    """\
|  | *faults |
| --- | --- |
| kept, again | 457.4 |
| alone | 0.01235 |
""",
)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "tools" / "benchmarks"
    path.mkdir(parents=True)
    (path / "a.json").write_text(json.dumps(NUMBERS))
    return path


def test_a_page_by_hand(folder):
    assert benchmark_tables.fill(PAGE, folder) == FILLED
    assert benchmark_tables.fill(FILLED, folder) == FILLED


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("a: alone", "b: alone", "^a page asks for b.json, which is not in "),
        ("*faults", "*fault", "^a.json has no number or text 'kept/fault', which a page asks for$"),
        ("/faults as", "/faults/x as", "'kept/faults/x', which"),
        ("a: alone", "a kept: alone", "'keptfaults', which"),
        ("*/faults as", "* as", "no number or text 'kept', which"),
    ],
)
def test_what_no_file_has_is_refused(folder, old, new, words):
    with pytest.raises(InputError, match=words):
        benchmark_tables.fill(PAGE.replace(old, new), folder)


def test_a_stale_page_is_found(folder, capsys):
    page, reproduce = folder.parent / "BENCHMARK.md", folder.parents[1] / "reproduce"
    (reproduce / "results").mkdir(parents=True)
    (reproduce / "README.md").write_text("<!-- results -->\n<!-- /results -->\n")
    assert results_table.main([], reproduce) == 0
    page.write_text(PAGE)
    assert results_table.main(["--check"], reproduce) == 2
    assert "BENCHMARK.md is not up to date" in capsys.readouterr().err
    assert results_table.main([], reproduce) == 0
    assert page.read_text() == FILLED
    assert results_table.main(["--check"], reproduce) == 0
