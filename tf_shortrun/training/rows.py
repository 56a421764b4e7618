"""Files of one JSON object a line, which a run writes while it trains, each with its step.

A crash, a full disk or somebody may leave anything in them. What is no row is left out, with a
word, and costs nothing else.
"""

import json
import logging
from pathlib import Path

from tf_shortrun.core.errors import InputError
from tf_shortrun.core.files import parse_json, replace_text

_LOG = logging.getLogger(__name__)

_MOST = 2**63  # a larger whole number has no place in an array


def read(path: Path, of_numbers: bool = False) -> list[dict]:
    """Returns the rows of a file, in its order; nothing if there is no file.

    Args:
      of_numbers: whether a row has numbers only.

    Raises:
      InputError: if the file cannot be opened.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): move it away") from error
    rows = [_row(line, of_numbers) for line in lines]
    if lost := rows.count(None):
        _LOG.warning("%s: %d of %d lines cannot be read and are left out", path, lost, len(rows))
    return [row for row in rows if row is not None]


def write(path: Path, rows: list[dict]):
    """Writes the rows, all or nothing."""
    replace_text(path, "".join(json.dumps(row) + "\n" for row in rows))


def _row(line: bytes, of_numbers: bool) -> dict | None:
    try:
        row = parse_json(line)
    except ValueError:
        return None
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        return None
    return row if not of_numbers or all(map(_is_number, row.values())) else None


def _is_number(value) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < _MOST)
