"""Compares variants of one method: a table of metrics, and a figure of their step sizes.

    python -m tools.compare --metrics=mse,frechet/mnist_classifier [--out=FILE.svg] DIR DIR ...

Each DIR holds the `results.json` of a run (or is such a file), and beside it, where the step
sizes were chosen while training, `step_sizes.jsonl`. Runs of one variant are seeds of it: the
table has their mean and standard deviation, the figure a curve for each in one colour.
"""

import statistics
import sys
from pathlib import Path

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting import curves, figure, results
from tf_shortrun.reporting.charts import Chart, number
from tf_shortrun.reporting.results import Result
from tools import command

Runs = dict[str, list[tuple[Path, Result]]]  # by variant


def read_runs(paths: list[Path]) -> Runs:
    """Results by variant, in the order given; a run without a variant goes by its method.

    Raises:
      InputError: if a result cannot be read, differs in more than variant and seed from the
        first one, or comes twice.
    """
    runs, first = {}, None
    for path in paths:
        file = path / "results.json" if path.is_dir() else path
        result = results.read(file)
        first = first or result
        for name in ("method", "dataset", "scale"):
            if getattr(result, name) != getattr(first, name):
                raise InputError(
                    f"{path} has {name} {getattr(result, name)}, {paths[0]} has "
                    f"{getattr(first, name)}: compare runs that differ in variant and seed only"
                )
        same = runs.setdefault(result.variant or result.method, [])
        if result.seed in [other.seed for _, other in same]:
            raise InputError(f"{path} has variant and seed of another run: name each run once")
        same.append((file.parent, result))
    return runs


def table(runs: Runs, metrics: list[str]) -> str:
    """Markdown: a row for each variant, mean and standard deviation over its seeds.

    Raises:
      InputError: if a run lacks a metric.
    """
    head = ["variant", "seeds", *metrics, "seconds"]
    rows = [head, ["---"] * len(head)]
    for variant, same in runs.items():
        columns = [[_metric(path, result, name) for path, result in same] for name in metrics]
        columns.append([result.seconds for _, result in same])
        rows.append([variant, str(len(same)), *map(_summary, columns)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def chart(runs: Runs) -> Chart:
    """The step size that each run chose, over training.

    Raises:
      InputError: if none chose any.
    """
    drawn = []
    for variant, same in runs.items():
        choices = [curves.read_choices(path) for path, _ in same]
        drawn += [curves.chosen(variant, choice) for choice in choices if choice]
    if not drawn:
        raise InputError("no step_sizes.jsonl beside the results: there is nothing to draw")
    return Chart("step size, geometric mean", drawn)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code."""
    parser = command.parser("compare", __doc__)
    parser.add_argument("--metrics", required=True, help="names from results.json, by comma")
    parser.add_argument("--out", type=Path, help="SVG file for the step sizes")
    parser.add_argument("paths", nargs="+", type=Path, metavar="DIR")
    return command.run(parser, _compare, arguments)


def _compare(options) -> None:
    runs = read_runs(options.paths)
    print(table(runs, options.metrics.split(",")))
    if options.out:
        figure.write(options.out, [chart(runs)])


def _metric(path: Path, result: Result, name: str) -> float:
    if name not in result.metrics:
        raise InputError(f"{path} has no metric {name!r}: choose from {', '.join(result.metrics)}")
    return result.metrics[name]


def _summary(values: list[float]) -> str:
    mean = number(statistics.fmean(values))
    return f"{mean} ± {statistics.stdev(values):.2g}" if len(values) > 1 else mean


if __name__ == "__main__":
    sys.exit(main())
