"""Memory is kept as by a command; two logical CPUs, so that replication is tested everywhere."""

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tf_shortrun.cli.startup  # isort: skip  # noqa: F401, memory is kept as by a command

import ctypes
import gc
import platform
from pathlib import Path

import hypothesis
import keras
import pytest
import tensorflow as tf

# Every worker has its share of the cores: more threads than cores only wait for each other.
THREADS = max(1, (os.cpu_count() or 1) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)))
tf.config.threading.set_intra_op_parallelism_threads(THREADS)
tf.config.threading.set_inter_op_parallelism_threads(THREADS)
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


# The same few examples in every run; `make fuzz` takes others, and many.
hypothesis.settings.register_profile(
    "few", max_examples=40, derandomize=True, database=None, deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)  # fmt: skip
hypothesis.settings.register_profile(
    "many", hypothesis.settings.get_profile("few"), max_examples=3000, derandomize=False,
    print_blob=True,
)  # fmt: skip
hypothesis.settings.load_profile("few")


# Garbage of TensorFlow is slow to collect: see `memory_is_bounded`.
gc.set_threshold(700, 10, 10**6)


# TensorFlow chooses bfloat16 kernels by the processor; oneDNN, limited to less, crashes in them.
ONEDNN_IS_LIMITED = os.environ.get("ONEDNN_MAX_CPU_ISA", "") in ("SSE41", "AVX", "AVX2")


# Files with long tests come first, so that no worker waits for the last one.
LONG = (
    *("test_cli.py", "test_soak.py", "test_workers.py", "test_wheel.py", "test_study.py"),
    "test_digests.py",
)


@pytest.hookimpl(tryfirst=True)  # before the test runner reads the groups
def pytest_collection_modifyitems(items):
    """Workers take whole files, for their fixtures; of the conformance tests, whole methods."""
    items.sort(key=lambda item: item.path.name not in LONG)
    for item in items:
        parameters = getattr(item, "callspec", None)
        method = parameters.params.get("method", "") if parameters else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path}{method}"))
        if ONEDNN_IS_LIMITED and ("bfloat16" in item.name or item.path.name == "test_precision.py"):
            item.add_marker(pytest.mark.skip("oneDNN is limited by ONEDNN_MAX_CPU_ISA"))


@pytest.fixture(scope="session")
def one_replica():
    return tf.distribute.MirroredStrategy(["CPU:0"])


@pytest.fixture(scope="session")
def two_replicas():
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture(scope="module", autouse=True)
def memory_is_bounded():
    """Collects garbage after a file if the worker has more than 5 GiB.

    `make test` stays below that, because it runs the tests in two parts. A collection takes up to
    a minute: TensorFlow removes its functions one by one.
    """
    yield
    if resident_gib() > 5:
        keras.backend.clear_session()
        gc.collect()
        gc.freeze()  # what is left is not looked at again
        if platform.libc_ver()[0] == "glibc":
            ctypes.CDLL(None).malloc_trim(0)  # kept memory would never go


def resident_gib() -> float:
    """Of this process now; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**30
