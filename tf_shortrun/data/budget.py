"""A bounded quantity, such as memory, that threads share."""

import contextlib
import threading
from collections.abc import Iterator


class Budget:
    """A quantity that threads share; a thread waits until the part that it needs is free."""

    def __init__(self, total: int, unit: str):
        self.total = self._free = total
        self.unit = unit
        self._changed = threading.Condition()

    def check(self, part: int):
        """Raises ValueError if `part` exceeds the total."""
        if part > self.total:
            raise ValueError(f"it has {part:,} {self.unit}, the most is {self.total:,}")

    @contextlib.contextmanager
    def take(self, part: int) -> Iterator[None]:
        """Holds `part` of the total during the block.

        Raises:
          ValueError: if `part` exceeds the total, so that the thread would wait for ever.
        """
        self.check(part)
        with self._changed:
            self._changed.wait_for(lambda: part <= self._free)
            self._free -= part
        try:
            yield
        finally:
            with self._changed:
                self._free += part
                self._changed.notify_all()
