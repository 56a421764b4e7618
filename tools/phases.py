"""A run of the command in a forked process that says what it does, so that it can be killed there.

TensorFlow starts its threads when it first computes something. Before that, a process that has
imported it can fork, and each child is a command of its own that need not import it again.
"""

import collections
import functools
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from tf_shortrun import main
from tf_shortrun.cli import work
from tf_shortrun.training.checkpoint import Checkpoints
from tools.children import end_with_parent

PHASES = ("start", "training", "saving", "evaluation", "export")


class Note(NamedTuple):
    """What a run said: that a phase begins; or `restored` or `saved`, and the step."""

    word: str
    step: int
    seconds: float  # since the process began


class Run:
    """The command in a child of this process.

    Attributes:
      notes: what it has said so far.
      code: how it ended, negative for a signal.
    """

    def __init__(self, arguments: Sequence[str], log: Path):
        """Begins the command with these arguments. Its output is appended to `log`."""
        self.notes = [Note("start", 0, 0.0)]
        self._begun = time.monotonic()
        said, say = os.pipe()
        self._process = os.fork()
        if not self._process:
            os.close(said)
            _be_the_command(arguments, os.fdopen(say, "w", buffering=1), log)
        os.close(say)
        self._said = os.fdopen(said)

    def kill(self, phase: str, entry: int, delay: float) -> str | None:
        """Kills the run `delay` seconds after it began a phase for the `entry`-th time.

        Returns:
          The phase that it was in; None if it had ended before.
        """
        for note in self._follow():
            entry -= note.word == phase
            if not entry:
                time.sleep(delay)
                os.kill(self._process, signal.SIGKILL)
                break
        self.wait()
        phases = [note.word for note in self.notes if note.word in PHASES]
        return phases[-1] if self.code == -signal.SIGKILL else None

    def wait(self) -> int:
        """Waits for the end of the run and returns its code."""
        collections.deque(self._follow(), maxlen=0)
        self.code = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        self._ended = time.monotonic() - self._begun
        return self.code

    def durations(self) -> dict[str, list[float]]:
        """Returns how long each phase of a run that has ended took, each time, in seconds."""
        phases = [note for note in self.notes if note.word in PHASES]
        ends = [*(note.seconds for note in phases[1:]), self._ended]
        taken = collections.defaultdict(list)
        for note, end in zip(phases, ends, strict=True):
            taken[note.word].append(end - note.seconds)
        return taken

    def _follow(self) -> Iterator[Note]:
        """Yields the notes, first those that were heard before; waits for others."""
        yield from self.notes
        for line in self._said:
            word, step = line.split()
            self.notes.append(Note(word, int(step), time.monotonic() - self._begun))
            yield self.notes[-1]


def _be_the_command(arguments: Sequence[str], say: TextIO, log: Path):
    """Turns this process into the command, which never returns."""
    end_with_parent(signal.SIGKILL)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    _mark(lambda word, step=0: print(word, step, file=say))
    sys.argv, code = ["main", *arguments], 1
    try:
        main.cli()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _mark(say: Callable):
    """Lets the parts of the command say when they begin."""
    _announce(work, "train", lambda: say("training"))
    _announce(work, "_judge", lambda: say("evaluation"))
    _announce(work, "publish", lambda: say("export"))
    save, restore = Checkpoints.save, Checkpoints.restore

    def saved(self, step):
        say("saving")
        save(self, step)
        say("saved", step)
        say("training")

    def restored(self):
        step = restore(self)
        say("restored", step)
        return step

    Checkpoints.save, Checkpoints.restore = saved, restored


def _announce(owner, name: str, begin: Callable):
    original = getattr(owner, name)

    @functools.wraps(original)
    def announced(*arguments):
        begin()
        return original(*arguments)

    setattr(owner, name, announced)
