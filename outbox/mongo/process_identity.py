"""Which process this is, so that another one of the same host can see that it is gone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from outbox.mongo.codec import Document

_PROC = Path("/proc")
_DEAD = frozenset("ZXx")


def this_process() -> Document | None:
    """What tells this process from all others, of any host and time; None where Linux's /proc does not say it."""
    try:
        pid = os.getpid()
        if str((_PROC / "self").readlink()) != str(pid):  # another namespace's /proc
            return None
        return {**_place(), "pid": pid, "started": _stat(pid)[1]}
    except (OSError, ValueError, IndexError):
        return None


def is_gone(process: Any) -> bool:
    """Whether the process that `this_process` gave this is one of this host, and no more.

    False whenever that cannot be known: it runs on another host or in another container, it may not be looked at, or
    what is given is no such thing. A zombie, of which only the exit code is left, is gone.
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
    if began != started:  # its number was given to another
        return True
    # The main thread may be a zombie while others go on.
    return state in _DEAD and len(list((_PROC / str(pid) / "task").iterdir())) <= 1


def _place() -> Document:
    """Where a process id and a start time mean the same: one boot of one machine, one view of its processes and of
    its time."""
    return {
        "boot": (_PROC / "sys/kernel/random/boot_id").read_text().strip(),
        "pids": str((_PROC / "self/ns/pid").readlink()),
        "time": str(time.readlink()) if (time := _PROC / "self/ns/time").exists() else "",
    }


def _stat(pid: int) -> tuple[str, int]:
    """The state of a process, and when it started, in ticks of its host."""
    fields = (
        (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    )  # its name may hold anything
    return fields[0], int(fields[19])
