"""Keeps the memory of tensors in the process, so that the kernel is not asked for it at every step.

glibc maps every block above 128 KiB to 32 MiB anew and gives it back when it is freed; each page of
it is then a page fault when it is first written. A training step takes and frees the same feature
maps K times over, and half of its CPU time was the kernel's. Four settings keep them:

    M_MMAP_MAX = 0          blocks of any size come from the heap, none is mapped alone
    M_ARENA_MAX = 1         one heap for all threads: only the main one grows without bound
    M_TRIM_THRESHOLD = max  the heap is never given back
    M_TOP_PAD = 64 MiB      it grows by this much at a time

Peak memory stays, as what a step freed is what the next one takes. What is kept is returned when
the process ends. The tables in tools/BENCHMARK.md have both ways.

References: mallopt(3).
"""

import ctypes
import os
import platform

SWITCH = "TF_SHORTRUN_KEEP_MEMORY"  # an environment variable: 0 leaves the allocator alone

# Numbers of malloc.h.
_SETTINGS = {-4: 0, -8: 1, -1: 2**31 - 1, -2: 64 * 2**20}


def keep_memory() -> str:
    """Sets the allocator of this process, and returns one line on what was done.

    Call it before the first tensor is made; the commands of this package do. It can be called
    again. Where the C library is not glibc, or the environment variable TF_SHORTRUN_KEEP_MEMORY
    is 0, nothing is done, and the line says so.
    """
    library, version = platform.libc_ver()
    if library != "glibc":
        return "given back to the kernel at every step: the C library is not glibc"
    if os.environ.get(SWITCH) == "0":
        return f"given back to the kernel at every step: {SWITCH} is 0"
    refused = [n for n, value in _SETTINGS.items() if not ctypes.CDLL(None).mallopt(n, value)]
    if refused:
        return f"glibc {version} refused the settings {refused}"
    return f"kept by glibc {version}; {SWITCH}=0 gives it back at every step"
