"""The standard streams of a command: it goes on if they are closed or nobody reads them.

What a terminal of another encoding cannot show is written as an escape.
"""

import io
import os
import sys
from collections.abc import Sequence

from tf_shortrun.core.errors import InputError


class _Unread(io.FileIO):
    """A file that drops what is written after its reader has ended, as `head` does."""

    def write(self, data) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(data)


def reopen_closed():
    """Opens /dev/null in place of each closed stream: else the next file would take its place."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def outlive_readers():
    """Replaces stdout and stderr by streams that outlive their readers."""
    sys.stdout, sys.stderr = _stream(1, sys.stdout), _stream(2, sys.stderr)


def _stream(number: int, now: io.TextIOBase | None) -> io.TextIOWrapper:
    file = io.BufferedWriter(_Unread(number, "w", closefd=False))
    encoding = getattr(now, "encoding", "utf-8")
    return io.TextIOWrapper(file, encoding, errors="backslashreplace", line_buffering=True)


def check_encoding(words: Sequence[str]):
    """Raises InputError if the locale cannot read a word, which TensorFlow would read otherwise."""
    utf8 = sys.getfilesystemencoding().lower() in ("utf-8", "utf8")
    for word in words:
        if not word.isascii() and not utf8:
            raise InputError(f"this locale cannot read {ascii(word)}: set PYTHONUTF8=1")
        if any("\ud800" <= character <= "\udfff" for character in word):
            raise InputError(f"{ascii(word)} is not UTF-8: rename it")
