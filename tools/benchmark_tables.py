"""Fills the tables of a Markdown page from files that `tools.benchmark` and `tools.soak` write.

A page asks for a table by a comment, in the form of `tools/tables.py`. Its first line names the
columns: the keys of a value in the file, joined by /. A row is the name of a file in
tools/benchmarks without .json, perhaps a word that replaces * in the columns, and perhaps a label:

    <!-- benchmark: */seconds_per_update as seconds an update, */peak_rss_bytes / 1e9 as GB
    digits_memory kept: digits, memory kept
    digits_memory given_back: digits, memory given back
    -->
    ... written by the command ...
    <!-- /benchmark -->

The first cell of this table is the value of kept, seconds_per_update in digits_memory.json. A
column with a slash between spaces is divided by what follows. A column that ends in ? is empty
where a file does not have its keys; others must be there.
"""

import functools
import json
import re
from pathlib import Path

from tf_shortrun.core.errors import InputError
from tf_shortrun.reporting.charts import number
from tools import tables

_TABLE = re.compile(r"(<!-- benchmark: ([^\n]+)\n(.*?)-->\n).*?(<!-- /benchmark -->)", re.DOTALL)


def fill(text: str, folder: Path) -> str:
    """Returns the page with every table of the files in `folder` written anew.

    Raises:
      InputError: if a page asks for a file or for keys that do not exist.
    """
    cell = functools.partial(_cell, folder)
    return _TABLE.sub(
        lambda found: found[1] + tables.grid(found[2], found[3], cell) + found[4], text
    )


def _cell(folder: Path, name: str, column: str) -> str:
    """Returns the text of one value of a file."""
    keys, _, divisor = column.removesuffix("?").partition(" / ")
    value = _look_up(_read(folder, name), keys)
    if value is None and column.endswith("?"):
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, int | float):
        raise InputError(f"{name}.json has no number or text {keys!r}, which a page asks for")
    return number(value / float(divisor or 1))


def _read(folder: Path, name: str) -> dict:
    path = folder / f"{name}.json"
    if not path.exists():
        raise InputError(f"a page asks for {name}.json, which is not in {folder}")
    return json.loads(path.read_text(encoding="utf-8"))


def _look_up(values: dict, keys: str):
    """Returns the value at keys joined by /, None if there is none."""
    for key in keys.split("/"):
        values = values.get(key) if isinstance(values, dict) else None
    return values
