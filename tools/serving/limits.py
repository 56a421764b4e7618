"""What an answer may be, and the errors that say what it is instead, in one line."""

import queue
import threading
from collections.abc import Callable

import numpy as np

MAX_BYTES = 2**26  # of an answer; as Python lists it takes at most twenty times as much memory
MAX_SECONDS = 86400
_MAX_PIXELS = 2**20  # of one image of a model
_MAX_WORDS = 1000  # characters of a message

# What parsers raise for an answer that is not the one that was asked for.
GARBAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)


class QueryError(Exception):
    """An error of the request, with a message of one line for the user."""


def within(seconds: float, work: Callable, complaint: str):
    """Returns `work()` or raises its error; after `seconds` raises QueryError.

    A timeout of a socket starts again with every byte, so a thread does the work. It ends with the
    process.
    """
    done: queue.SimpleQueue = queue.SimpleQueue()

    def run():
        try:
            done.put((work(), None))
        except Exception as error:  # raised again below, in the thread that waits
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        message = f"{complaint} in {seconds:g} seconds: ask for fewer, or give a longer --timeout"
        raise QueryError(message) from None
    if error:
        raise error
    return result


def checked_images(images: np.ndarray, num: int, address: str) -> np.ndarray:
    """Returns an answer as float32 [num, H, W, C].

    Raises:
      QueryError: if it is something else, or has NaN or infinity.
    """
    if images.dtype.kind not in "iuf":
        raise QueryError(f"{address} answers with values that are no numbers: check --model")
    picture_shape(images.shape)
    if len(images) != num:
        raise QueryError(f"{address} answers with {len(images)} images instead of {num}")
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    if not np.isfinite(images).all():
        raise QueryError(f"{address} answers with NaN or infinite values: the model is broken")
    return images


def picture_shape(shape) -> list[int]:
    """Returns [H, W, C] of [B, H, W, C].

    Raises:
      QueryError: if these are no pictures, or they are too large.
    """
    if len(shape) != 4 or min(shape[1:]) < 1 or shape[-1] not in (1, 3):
        raise QueryError(f"the model makes arrays of shape {list(shape)}, not pictures")
    if shape[1] * shape[2] > _MAX_PIXELS:
        raise QueryError(f"the model makes arrays of shape {list(shape)}, larger than this reads")
    return list(shape[1:])


def not_serving(address: str, error: Exception) -> QueryError:
    """Returns the error of an answer that TensorFlow Serving does not give."""
    return QueryError(f"{address} is not TensorFlow Serving, check --url: {error!r}")


def printable(text: str) -> str:
    """Returns the text in one line without control characters, which could command a terminal."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MAX_WORDS else f"{line[:_MAX_WORDS]} ..."
