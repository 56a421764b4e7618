"""What this process has taken of the machine."""

import resource
import sys
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    """Of the process and all its threads, since it began."""

    page_faults: int
    system_seconds: float
    user_seconds: float

    @classmethod
    def now(cls) -> "Usage":
        used = resource.getrusage(resource.RUSAGE_SELF)
        return cls(used.ru_minflt, used.ru_stime, used.ru_utime)

    def per_step(self, before: "Usage", num_steps: int) -> dict[str, float]:
        """Metrics of the steps since `before`: minor page faults each, and the kernel's share."""
        faults, system, user = (new - old for new, old in zip(self, before, strict=True))
        return {
            "page_faults_per_step": faults / num_steps,
            "system_time_share": system / max(system + user, 1e-9),
        }


def peak_memory_gib() -> float:
    """Largest resident memory of this process so far, GiB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins with the peak of the process that started this one
        lines = status.read_text().splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)  # bytes there, KiB elsewhere
