"""Fills the tables and numbers of a Markdown page from the results of runs.

A page asks for a table by a comment. Its first line names the columns: metrics of `results.json`,
or seeds, steps, seconds, or a count of runs, black, runaway or rolled back; a row is the name of a
result, <method>_<dataset>[_<variant>], and perhaps a label:

    <!-- table: mse, frechet/mnist_classifier as Frechet distance, seeds
    short_run_mnist: published rule
    short_run_mnist_warm: warm start
    -->
    ... written by the command ...
    <!-- /table -->

A row may have a word after its name, which replaces * in the columns: mse*@2K of the row
`short_run_mnist _noiseless: no noise` is mse_noiseless@2K. A column that ends in ? is empty where
runs do not have it; others must be there. `table without black` has means of the other runs.

A single number stands between <!-- number: short_run_mnist mse --> and <!-- / -->. Each is the mean
over seeds; a table has the range in brackets. Steps and seconds are medians. What was not run is
NOT RUN. A run is black if it explains less than a tenth of the variance of the images, a runaway if
the mean square of its latents exceeded 5 in training; one that diverged is both.
"""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting.charts import number
from tf_shortrun.reporting.results import Result

Runs = Mapping[str, Sequence[Result]]
NOT_RUN = "NOT RUN"
_TABLE = re.compile(
    r"(<!-- table( without black)?: ([^\n]+)\n(.*?)-->\n).*?(<!-- /table -->)", re.DOTALL
)
_NUMBER = re.compile(r"(<!-- number: (\S+) (\S+) -->).*?(<!-- / -->)", re.DOTALL)
_FIELDS = ("steps", "seconds")
_COUNTED: Mapping[str, Callable[[Result], bool]] = {
    "black": lambda run: _is_broken(run, "unexplained_variance", 0.9),
    "runaway": lambda run: _is_broken(run, "latent_norm_worst", 5.0),
    "rolled back": lambda run: bool(run.rollbacks),
}


def fill(text: str, runs: Runs) -> str:
    """Returns the page with every table and number written anew.

    Raises:
      InputError: if a page asks for a result or a metric that no run has.
    """
    text = _TABLE.sub(lambda found: _filled(runs, *found.groups()), text)
    return _NUMBER.sub(lambda found: found[1] + _one(runs, found[2], found[3]) + found[4], text)


def table(heads: str, rows: str, runs: Runs, without_black: bool = False) -> str:
    """Returns a Markdown table of these columns and rows, as the module's docstring has them."""
    return grid(
        heads, rows, lambda name, column: _cell(_known(runs, name), column, name, without_black)
    )


def grid(heads: str, rows: str, cell: Callable[[str, str], str]) -> str:
    """Returns a Markdown table; `cell` returns the text of the name in a row and of a column."""
    titled = [_titled(column, " as ") for column in heads.split(",")]
    cells = {}
    for row in filter(None, rows.splitlines()):
        name, label = _titled(row, ": ")
        name, _, word = name.partition(" ")
        cells[label] = [cell(name, column.replace("*", word)) for column, _ in titled]
    titles = [title.rstrip("*?") for _, title in titled]
    frame = pd.DataFrame.from_dict(cells, "index", columns=titles)
    return markdown(frame)


def markdown(frame: pd.DataFrame) -> str:
    """Returns a frame of text as a Markdown table, its index in the first column."""
    rows = [[frame.index.name or "", *frame.columns], ["---"] * (1 + len(frame.columns))]
    rows += [[str(index), *row] for index, row in zip(frame.index, frame.to_numpy(), strict=True)]
    escaped = (" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows)
    return "".join(f"| {row} |\n" for row in escaped)


def summary(values: Sequence[float]) -> str:
    """Returns mean and range as text, "" of nothing."""
    if len(values) < 2:
        return "".join(map(number, values))
    return f"{number(statistics.fmean(values))} ({number(min(values))} to {number(max(values))})"


def _titled(text: str, mark: str) -> tuple[str, str]:
    """(name, title): the title is the name where none is given."""
    name, _, title = text.strip().partition(mark)
    return name.strip(), (title or name).strip()


def _known(runs: Runs, name: str) -> Sequence[Result]:
    if name not in runs:
        raise InputError(f"a page asks for {name!r}, which is no result of a pin or a study")
    return runs[name]


def _filled(runs: Runs, begin: str, without: str | None, heads: str, rows: str, end: str) -> str:
    return begin + table(heads, rows, runs, bool(without)) + end


def _cell(runs: Sequence[Result], column: str, name: str, without_black: bool = False) -> str:
    if column == "seeds":
        return str(len(runs))
    finished = [run for run in runs if run.status == "finished"]
    if column in _COUNTED and runs:
        return f"{sum(map(_COUNTED[column], runs))} of {len(runs)}"
    if without_black:
        finished = [run for run in finished if not _COUNTED["black"](run)]
    if not finished:
        return ("black" if without_black else "diverged") if runs else NOT_RUN
    if column in _FIELDS:
        return number(statistics.median(getattr(run, column) for run in finished))
    metric = column.removesuffix("?")
    values = [run.metrics[metric] for run in finished if metric in run.metrics]
    if not values and metric == column:
        raise InputError(f"{name} has no metric {column!r}: {', '.join(finished[0].metrics)}")
    return summary(values)


def _is_broken(run: Result, metric: str, limit: float) -> bool:
    return run.status == "diverged" or run.metrics.get(metric, 0.0) > limit


def _one(runs: Runs, name: str, metric: str) -> str:
    return _cell(_known(runs, name), metric, name).partition(" (")[0]
