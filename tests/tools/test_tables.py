"""Tables and numbers of a page come from results."""

import dataclasses

import pytest

from result_fields import FIELDS, with_metrics
from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting.results import Result
from tools import tables


def runs(*values):
    return [Result(**FIELDS | {"seed": k} | with_metrics({"mse": v})) for k, v in enumerate(values)]


LOST = dataclasses.replace(runs(1.0)[0], status="diverged", **with_metrics({}))
RUNS = {"vae_a": runs(0.1, 0.3), "abp_a": runs(12345.6), "glo_a": [LOST], "gsn_a": []}
PAGE = """Text <!-- number: vae_a mse -->9<!-- / -->, and <!-- number: gsn_a mse --><!-- / -->.

<!-- table: mse as error, seeds
vae_a: the VAE | and more
abp_a
glo_a: lost
gsn_a: later
-->
| old |
<!-- /table -->
End
"""


def test_a_page_by_hand():
    page = tables.fill(PAGE, RUNS)
    assert page.splitlines()[0] == (
        "Text <!-- number: vae_a mse -->0.2<!-- / -->, "
        "and <!-- number: gsn_a mse -->NOT RUN<!-- / -->."
    )
    assert page.splitlines()[8:] == [
        "|  | error | seeds |",
        "| --- | --- | --- |",
        r"| the VAE \| and more | 0.2 (0.1 to 0.3) | 2 |",
        "| abp_a | 12,346 | 1 |",
        "| lost | diverged | 1 |",
        "| later | NOT RUN | 0 |",
        "<!-- /table -->",
        "End",
    ]
    assert tables.fill(page, RUNS) == page


def test_a_word_of_a_row_completes_its_columns():
    rows = "vae_a\nvae_a /pca: components\n"
    runs = [Result(**FIELDS | with_metrics({"f1": 0.5, "recall": 0.25, "f1/pca": 0.75}))]
    lines = tables.table("f1* as F1, recall*?", rows, {"vae_a": runs}).splitlines()
    assert [lines[0], *lines[2:]] == [
        "|  | F1 | recall |",
        "| vae_a | 0.5 | 0.25 |",
        "| components | 0.75 |  |",
    ]
    with pytest.raises(InputError, match="vae_a has no metric 'recall/pca'"):
        tables.table("recall*", rows, {"vae_a": runs})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("number: vae_a mse", "number: vea_a mse", "'vea_a', which is no result"),
        ("mse as error", "mes as error", "vae_a has no metric 'mes': mse"),
    ],
)
def test_what_no_run_has_is_refused(old, new, words):
    with pytest.raises(InputError, match=words):
        tables.fill(PAGE.replace(old, new), RUNS)


def test_broken_runs_are_counted_and_what_diverged_is_both():
    numbers = [
        {"unexplained_variance": 0.91, "latent_norm_worst": 1.0},
        {"unexplained_variance": 0.3, "latent_norm_worst": 5.1},
        {"unexplained_variance": 0.9, "latent_norm_worst": 5.0},
    ]
    runs = [Result(**FIELDS | {"seed": k} | with_metrics(n)) for k, n in enumerate(numbers)]
    row = {"step": 0, "failed": 20, "what": "loss not finite"}
    runs[0] = Result(**FIELDS | with_metrics(numbers[0]) | {"rollbacks": [row]})
    columns = "black, runaway, rolled back"
    *_, found, none = tables.table(
        columns, "a\nnone", {"a": [*runs, LOST], "none": []}
    ).splitlines()
    assert found == "| a | 2 of 4 | 2 of 4 | 1 of 4 |"
    assert none == "| none | NOT RUN | NOT RUN | NOT RUN |"


def test_means_without_black_runs():
    black = {"unexplained_variance": 1.7, "mse": 9.0}
    runs = [with_metrics({"unexplained_variance": 0.2, "mse": 0.25}), with_metrics(black)]
    runs = [Result(**FIELDS | {"seed": k} | more) for k, more in enumerate(runs)]
    page = "<!-- table without black: black, mse\na\nb\n-->\n<!-- /table -->"
    filled = tables.fill(page, {"a": runs, "b": runs[1:]})
    assert "| a | 1 of 2 | 0.25 |\n| b | 1 of 1 | black |" in filled
