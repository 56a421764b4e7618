"""Shared code of the programs in this folder: argument parsing, and errors in one line."""

import argparse
import sys
from collections.abc import Callable, Sequence

from tf_shortrun.core.errors import InputError


def parser(name: str, doc: str) -> argparse.ArgumentParser:
    """Returns a parser for `python -m tools.<name>`, whose --help prints `doc`."""
    as_it_is = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(
        f"python -m tools.{name}", description=doc, formatter_class=as_it_is
    )


def run(
    options: argparse.ArgumentParser, work: Callable, arguments: Sequence[str] | None = None
) -> int:
    """Calls `work(parsed options)`; returns its exit code, 0 for None, 2 for an InputError."""
    try:
        return work(options.parse_args(arguments)) or 0
    except InputError as error:
        print(f"{options.prog.removeprefix('python -m ')}: {error}", file=sys.stderr)
        return 2
