"""The client of `tools/torch_peer.py`: requests work from it. It needs no TensorFlow."""

import contextlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tf_shortrun.core.errors import InputError
from tools.timing import Times

VARIANTS = ("float32", "float32-compiled", "bfloat16", "bfloat16-compiled")
CPUINFO = Path("/proc/cpuinfo")


def variants() -> tuple[str, ...]:
    """Returns the variants to time.

    bfloat16 is left out if the processor has no instructions for it: a step of PyTorch would take
    minutes.
    """
    has_it = not CPUINFO.exists() or "bf16" in CPUINFO.read_text()
    return VARIANTS if has_it else tuple(name for name in VARIANTS if "bfloat16" not in name)


class Process:
    """A process of PyTorch that works on request: `process.do("float32", 5)`."""

    def __init__(self, file: Path):
        command = [sys.executable, "-m", "tools.torch_peer", str(file)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def do(self, variant: str, work: int | str) -> None:
        """Requests a chain of `work` steps, or an "update", and waits until it is done.

        Raises:
          InputError: if the process stopped, e.g. because PyTorch is not installed.
        """
        with contextlib.suppress(BrokenPipeError):  # then the answer below is missing too
            print(variant, work, file=self._process.stdin, flush=True)
        if self._process.stdout.readline().strip() != "done":
            raise InputError("the PyTorch peer stopped, see above: is PyTorch installed?")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()


def beside(
    names: Sequence[str], times: Sequence[Times], num_steps: int, step: float, update: float
) -> dict:
    """Returns the seconds of each variant of the peer, and their ratio to our seconds.

    Args:
      times: of a chain of `num_steps` steps and of an update, for each variant.
    """
    found = {}
    for variant, chain, theirs in zip(names, times[::2], times[1::2], strict=True):
        found[variant] = {
            "seconds_per_langevin_step": chain.median / num_steps,
            "seconds_per_update": theirs.median,
            "times_our_langevin_step": chain.median / num_steps / step,
            "times_our_update": theirs.median / update,
        }
    return found
