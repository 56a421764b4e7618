"""Where a number comes from: machine, versions, commit."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path

import tensorflow as tf

from tf_shortrun.core.version import __version__

CHECKOUT = Path(__file__).resolve().parents[2]


def hardware() -> dict:
    """This machine: {"cpu": model, "cores": int, "memory_gib": float, "gpus": [names]}."""
    details = tf.config.experimental.get_device_details
    gpus = [
        details(gpu).get("device_name", "GPU") for gpu in tf.config.list_physical_devices("GPU")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = os.cpu_count()
    return {"cpu": _cpu_model(), "cores": cores, "memory_gib": round(memory, 1), "gpus": gpus}


def versions() -> dict[str, str]:
    """Versions of what decides a number, by name."""
    names = ("tensorflow", "keras", "tensorflow_probability", "numpy")
    own = {"tf_shortrun": __version__, "python": platform.python_version()}
    return own | {name: importlib.metadata.version(name) for name in names}


def commit(checkout: Path = CHECKOUT) -> str | None:
    """Commit of the checkout, `+dirty` if code or gin files differ from it, None without git."""
    if shutil.which("git") is None:
        return None
    head = _git(checkout, "rev-parse", "--show-toplevel", "HEAD", "HEAD:tf_shortrun")
    # An installed package may lie inside, or at the top of, somebody else's checkout: that commit
    # is not ours.
    if head.returncode or Path(head.stdout.splitlines()[0]) != checkout.resolve():
        return None
    code = ("tf_shortrun", "gin", "reproduce/*.gin")
    dirty = _git(checkout, "diff", "--quiet", "HEAD", "--", *code).returncode
    return head.stdout.splitlines()[1] + ("+dirty" if dirty else "")


def _git(checkout: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = ["git", "--no-optional-locks", "-C", str(checkout), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
