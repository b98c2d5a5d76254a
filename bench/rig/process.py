"""Runs work in another process, with its own memory and its own interpreter's lock."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SPAWN = multiprocessing.get_context("spawn")  # a forked process would begin with this one's memory
_STOP_SECONDS = 20.0


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


class Background:
    """A process that runs until its `background` ends."""

    def __init__(self, connection: Connection, pid: int) -> None:
        self._connection = connection
        self._pid = pid

    def peak_mib(self) -> float:
        """The most memory that it has had resident so far; on Linux alone."""
        return peak_mib(self._pid)

    def cpu_seconds(self) -> float:
        """The CPU time that all its threads have used so far. Raises EOFError when it has ended."""
        self._connection.send(None)
        return float(self._connection.recv())


@contextlib.contextmanager
def background(
    function: Callable[Concatenate[threading.Event, P], object], *args: P.args, **kwargs: P.kwargs
) -> Iterator[Background]:
    """Runs a function of a module in a new process; the end of the `with`, or of this process, sets its event.

    Raises RuntimeError when it failed.
    """
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_attend, args=(theirs, function, args, kwargs))
    process.start()
    theirs.close()
    try:
        assert process.pid is not None
        yield Background(ours, process.pid)
    finally:
        ours.close()
        process.join(_STOP_SECONDS)
        process.kill()
    if process.exitcode:
        raise RuntimeError(f"{function.__name__} ended with exit code {process.exitcode}")


def _attend(
    asked: Connection, function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]
) -> None:
    stop = threading.Event()

    def listen() -> None:
        try:
            while True:
                asked.recv()
                asked.send(time.process_time())
        except EOFError:  # the other end is closed: by `background`, or by the end of its process
            stop.set()

    threading.Thread(target=listen, daemon=True).start()
    function(stop, *args, **kwargs)


def resident_mib() -> float:
    """The most memory that this process has had resident so far."""
    if sys.platform != "linux":
        import resource  # noqa: PLC0415  # Unix alone has it

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)  # bytes on macOS
    # Not getrusage: there, a process starts with the memory of the one that started it.
    return peak_mib("self")


def private_mib() -> float:
    """The memory that this process alone has, now: what it has written. Pages of files that it has mapped are not
    counted, for they are its own or shared by who else runs. Elsewhere than on Linux the most that it has had."""
    if sys.platform != "linux":
        return resident_mib()
    found = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in found if line.startswith("Private_Dirty:")) / 1024


def peak_mib(process: int | str) -> float:
    """As resident_mib, of another process; on Linux alone."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"process {process} has no memory any more")
