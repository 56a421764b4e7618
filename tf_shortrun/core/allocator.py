"""Keeps freed memory in the process, so that steps do not ask the operating system for it again.

glibc maps each block above a threshold (128 KiB, growing to 32 MiB) separately and returns it to
the operating system when it is freed. The first write to each page of a new block is then a page
fault. A training step allocates and frees the same feature maps K times, and the operating system
took half of its CPU time. Four settings keep the memory in the process:

    M_MMAP_MAX = 0          blocks of any size come from the heap, none is mapped separately
    M_ARENA_MAX = 1         one heap for all threads: only the main heap grows without bound
    M_TRIM_THRESHOLD = max  the heap is never returned
    M_TOP_PAD = 64 MiB      the heap grows by this much at a time

Peak memory stays the same, because each step reuses the memory that the step before it freed. The
memory is returned when the process ends. The tables in tools/BENCHMARK.md compare both settings.

References: mallopt(3).
"""

import ctypes
import os
import platform

SWITCH = "TF_SHORTRUN_KEEP_MEMORY"  # an environment variable: 0 leaves the allocator alone

# Parameter numbers of mallopt, from malloc.h, and their values.
_SETTINGS = {-4: 0, -8: 1, -1: 2**31 - 1, -2: 64 * 2**20}


def keep_memory() -> str:
    """Sets the allocator of this process, and returns one line that says what was done.

    Call this function before the first tensor exists, as the commands of this package do. A second
    call is harmless. If the C library is not glibc, or the environment variable
    TF_SHORTRUN_KEEP_MEMORY is 0, the function changes nothing, and the line says so.
    """
    library, version = platform.libc_ver()
    if library != "glibc":
        return "given back to the system at every step: the C library is not glibc"
    if os.environ.get(SWITCH) == "0":
        return f"given back to the system at every step: {SWITCH} is 0"
    refused = [n for n, value in _SETTINGS.items() if not ctypes.CDLL(None).mallopt(n, value)]
    if refused:
        return f"glibc {version} refused the settings {refused}"
    return f"kept by glibc {version}; {SWITCH}=0 gives it back at every step"
