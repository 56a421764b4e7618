"""What the programs of this folder share: their arguments, and one line for a mistake."""

import argparse
import sys
from collections.abc import Callable, Sequence

from tf_shortrun.core.errors import InputError


def parser(name: str, doc: str) -> argparse.ArgumentParser:
    """For `python -m tools.<name>`; --help prints its docstring."""
    as_it_is = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(
        f"python -m tools.{name}", description=doc, formatter_class=as_it_is
    )


def run(
    options: argparse.ArgumentParser, work: Callable, arguments: Sequence[str] | None = None
) -> int:
    """`work(parsed options)`; returns its exit code, 0 for None, 2 for an InputError."""
    try:
        return work(options.parse_args(arguments)) or 0
    except InputError as error:
        print(f"{options.prog.removeprefix('python -m ')}: {error}", file=sys.stderr)
        return 2
