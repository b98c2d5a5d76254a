"""Work in a process of its own: its memory is its own then, and so is its interpreter's lock."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SPAWN = multiprocessing.get_context("spawn")  # a forked process would begin with this one's memory


def in_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls a function of a module in a new process, and returns or raises what it does."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as process:
        return process.submit(function, *args, **kwargs).result()


def watched(watch: Callable[[], T], work: Callable[[], object]) -> T:
    """Calls both at the same time, each in a new process, and returns what `watch` does; raises what either raises."""
    with ProcessPoolExecutor(2, mp_context=SPAWN) as processes:
        watching, working = processes.submit(watch), processes.submit(work)
    working.result()
    return watching.result()


def resident_mib() -> float:
    """The most memory that this process has had resident so far."""
    if sys.platform == "linux":
        # Not getrusage: there, a process starts with the memory of the one that started it.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    import resource  # noqa: PLC0415  # Unix alone has it

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # bytes on macOS
