"""A relay's process keeps the memory that it will need again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import gc, resource
from relay.cli.process import keep_memory

keep_memory()

def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        batch = [bytearray(1 << 20) for _ in range(40)]
        del batch
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults(2)
print(faults(10), gc.get_threshold()[0], gc.get_freeze_count() > 0)
"""

THREADS = """
import ctypes, threading
from relay.cli.process import keep_memory

keep_memory()
together = threading.Barrier(4)

def work():
    kept = [bytes(2000) for _ in range(100)]
    together.wait()

threads = [threading.Thread(target=work) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL(None)
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


def test_what_one_batch_frees_the_next_one_gets_without_page_faults() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    faults, threshold, frozen = done.stdout.split()

    assert (threshold, frozen) == ("50000", "True")
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("memory is kept with glibc only")
    assert int(faults) < 1000, "of 10 × 40 MiB, which are 102,400 pages"


def test_all_threads_share_one_heap() -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("memory is kept with glibc only")
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.count("<heap nr=") == 1
