"""Signals during training: a run ends after its step and saves; a second signal ends it at once."""

import signal
import threading

from tf_shortrun.core.errors import Interrupted

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Interruption:
    """Handlers of Ctrl-C, SIGTERM and SIGHUP, for a `with` block.

    Python has handlers in the main thread only: in another thread nothing is handled, and the
    thread that started it decides.

    Attributes:
      number: that of the first signal; 0 without one.
    """

    def __enter__(self):
        self.number = 0
        is_main = threading.current_thread() is threading.main_thread()
        self._before = {s: signal.signal(s, self._note) for s in SIGNALS if is_main}
        return self

    def __exit__(self, *_):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, _):
        if self.number:
            raise Interrupted("interrupted twice, not saved", number)
        self.number = number
