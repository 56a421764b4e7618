"""The process of a command: its logs, and how it ends, with one line and a code.

0  all is done      2  a mistake in what was given      74  a file cannot be read or written
75  another machine is gone: start all of them again
128 + number of a signal  interrupted: the same command goes on
"""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Iterator

from absl import logging as absl_logging

from tf_shortrun.core.errors import InputError, Interrupted, LostMachineError
from tf_shortrun.training.interruption import SIGNALS

CANNOT_WRITE = 74  # EX_IOERR of sysexits.h
TRY_AGAIN = 75  # EX_TEMPFAIL


def set_up_logs():
    """Shows warnings of this package, and of absl."""
    absl_logging.set_verbosity(absl_logging.WARNING)
    own = logging.getLogger("tf_shortrun")
    own.addHandler(logging.StreamHandler())
    own.setLevel(logging.INFO)
    own.propagate = False


@contextlib.contextmanager
def ended_in_one_line(again: str) -> Iterator[None]:
    """Ends the process with one line after a mistake, an interruption or a full disk in the block.

    A signal outside training ends it at once, since libraries may catch what a handler raises.

    Args:
      again: how to continue after an interruption.
    """

    def leave(number, _):
        _say(f"interrupted: {again}")
        sys.stdout.flush()
        os._exit(128 + number)

    before = {number: signal.signal(number, leave) for number in SIGNALS}
    try:
        yield
    except InputError as error:
        end(error, 2)
    except Interrupted as error:
        end(f"{error}: {again}", 128 + error.number)
    except LostMachineError as error:
        end(f"{error}: start all machines again, {again}", TRY_AGAIN)
    except OSError as error:
        if error.filename is None:
            raise
        end(f"{error.filename} cannot be read or written ({error.strerror}): {again}", CANNOT_WRITE)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end(line: object, code: int):
    """Ends the process with one line on stderr."""
    _say(line)
    sys.exit(code)


def _say(line: object):
    print(f"tf_shortrun: {str(line).splitlines()[0]}", file=sys.stderr, flush=True)
