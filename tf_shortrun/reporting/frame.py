"""All results below a folder as one pandas frame, a row for each run."""

from pathlib import Path

import pandas as pd

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting.results import Result, read

_FIELDS = ("method", "dataset", "variant", "seed", "scale", "status", "steps", "seconds", "commit")


def results(folder: str | Path) -> pd.DataFrame:
    """Returns a row for every result file (*.json) below `folder`, sorted by name and seed.

    The index is the path below the folder. The columns are `name` (method, data set and variant),
    the fields of a result, and one column for each metric; it is NaN where a run does not have it.

    Raises:
      InputError: if there is no result, or a file is not a result.
    """
    place = Path(folder)
    # A run keeps `results.json` beside other files; a folder of results has a file for each run.
    paths = sorted(place.rglob("results.json")) or sorted(place.rglob("*.json"))
    if not paths:
        raise InputError(f"{folder} has no results: give a folder of runs or of their results")
    rows = {path.relative_to(place).as_posix(): _row(read(path)) for path in paths}
    return pd.DataFrame.from_dict(rows, orient="index").sort_values(["name", "seed"])


def _row(result: Result) -> dict:
    return {"name": result.name, **{f: getattr(result, f) for f in _FIELDS}, **result.metrics}
