"""The process of a command: its logs, its help, and how it ends, with one line and a code.

0  all is done      2  a mistake in what was given      130, 143  interrupted, can go on
"""

import logging
import signal
import sys
from collections.abc import Callable, Sequence

from absl import app, flags
from absl import logging as absl_logging

from tf_shortrun.core.errors import InputError, Interrupted


def run(main: Callable, text: str, names: Sequence[str]):
    """Runs `main` of the arguments that are no flags.

    Args:
      text: what --help says before the flags.
      names: of the flags that --help lists.
    """
    absl_logging.set_verbosity(absl_logging.WARNING)
    own = logging.getLogger("tf_shortrun")
    own.addHandler(logging.StreamHandler())
    own.setLevel(logging.INFO)
    own.propagate = False
    app.run(lambda argv: in_one_line(main, argv), flags_parser=lambda a: parse(a, text, names))


def in_one_line(main: Callable, argv: list[str]):
    """Runs `main(argv)`; a mistake or an interruption ends the process with one line."""
    try:
        main(argv)
    except InputError as error:
        _end(error, 2)
    except Interrupted as error:
        _end(f"{error}: {_again()}", 128 + error.number)
    except KeyboardInterrupt:  # outside training
        _end(f"interrupted: {_again()}", 128 + signal.SIGINT)


def parse(argv: list[str], text: str, names: Sequence[str]) -> list[str]:
    """Parses the flags and returns the other arguments.

    Prints the help itself, because absl's help has no verbs and exits with code 1.
    """
    if {"-h", "-help", "--help"} & set(argv):
        print("\n".join([text, *(f"--{n:16s}{flags.FLAGS[n].help}" for n in names)]))
        sys.exit()
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        return _end(f"{str(error).splitlines()[0]} (--help lists the flags)", 2)


def _again() -> str:
    """Returns a sentence on how to continue after an interruption."""
    command = "the same command without --fresh" if flags.FLAGS.fresh else "the same command"
    return f"{command} goes on from the last checkpoint"


def _end(line: object, code: int):
    """Ends the process with one line on stderr."""
    print(f"tf_shortrun: {str(line).splitlines()[0]}", file=sys.stderr)
    sys.exit(code)
