"""Page faults, CPU time and memory of this process."""

import resource
import sys
from pathlib import Path
from typing import NamedTuple


class Usage(NamedTuple):
    """Page faults and CPU time of the process and all its threads since its start."""

    page_faults: int
    system_seconds: float
    user_seconds: float

    @classmethod
    def now(cls) -> "Usage":
        used = resource.getrusage(resource.RUSAGE_SELF)
        return cls(used.ru_minflt, used.ru_stime, used.ru_utime)

    def per_step(self, before: "Usage", num_steps: int) -> dict[str, float]:
        """Returns metrics of the steps since `before`.

        They are minor page faults per step, and the share of CPU time spent in the kernel.
        """
        faults, system, user = (new - old for new, old in zip(self, before, strict=True))
        return {
            "page_faults_per_step": faults / num_steps,
            "system_time_share": system / max(system + user, 1e-9),
        }


def peak_memory_gib() -> float:
    """Returns the largest resident memory of this process so far, GiB."""
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss includes the peak of the parent process
        lines = status.read_text().splitlines()
        return next(int(x.split()[1]) for x in lines if x.startswith("VmHWM")) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**30 if sys.platform == "darwin" else 2**20)  # bytes on macOS, KiB elsewhere
