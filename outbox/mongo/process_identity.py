"""Identifies a process, so that another one on the same host can see when it is gone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from outbox.mongo.codec import Document

_PROC = Path("/proc")
_DEAD = frozenset("ZXx")
_own_place: tuple[int, Document] = 0, {}


def this_process() -> Document | None:
    """Returns what tells this process from all others, on any host and at any time; None without Linux's /proc."""
    try:
        pid = os.getpid()
        if str((_PROC / "self").readlink()) != str(pid):  # another namespace's /proc
            return None
        return {**_place(), "pid": pid, "started": _stat(pid)[1]}
    except (OSError, ValueError, IndexError):
        return None


def is_gone(process: Any) -> bool:
    """Tells whether a process, as `this_process` described it, was one of this host and has ended.

    False whenever that cannot be known: it runs on another host or in another container, this process has no right to
    look at it, or `process` is no such description. A zombie, of which only the exit code is left, has ended.
    """
    try:
        if any(process[name] != value for name, value in _place().items()):
            return False
        pid, started = process["pid"], process["started"]
        if not isinstance(pid, int) or not isinstance(started, int) or pid <= 0:
            return False
        return _has_ended(pid, started)
    except (OSError, ValueError, IndexError, KeyError, TypeError, OverflowError):
        return False


def _has_ended(pid: int, started: int) -> bool:
    try:
        os.kill(pid, 0)  # sees also what a /proc mounted with hidepid does not show
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    state, began = _stat(pid)
    if began != started:  # another process has its number now
        return True
    # The main thread may be a zombie while others go on.
    return state in _DEAD and len(list((_PROC / str(pid) / "task").iterdir())) <= 1


def _place() -> Document:
    """Names the scope in which a process id and a start time are unique: one boot of one machine, one namespace of
    processes and of time. A process never leaves it, so it is read once."""
    global _own_place  # noqa: PLW0603  # read by whoever is first; a forked process reads its own
    pid, place = _own_place
    if pid != os.getpid():
        place = _read_place()
        _own_place = os.getpid(), place
    return place


def _read_place() -> Document:
    return {
        "boot": (_PROC / "sys/kernel/random/boot_id").read_text().strip(),
        "pids": str((_PROC / "self/ns/pid").readlink()),
        "time": str(time.readlink()) if (time := _PROC / "self/ns/time").exists() else "",
    }


def _stat(pid: int) -> tuple[str, int]:
    """Reads the state of a process, and when it started, in ticks of the host."""
    fields = (
        (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    )  # the name in between may hold anything
    return fields[0], int(fields[19])
