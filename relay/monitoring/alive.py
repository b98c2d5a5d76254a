"""Writes signs of life of this process to the temporary folder, for `relay health --self`, which asks no server."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from outbox.clock import Clock, SystemClock
from outbox.mongo import patience

logger = logging.getLogger("relay")

WRITE_SECONDS = 1.0
FRESH_SECONDS = 10.0
STUCK_SECONDS = 60.0
"""A relay's loop asks far more often than this whether it shall stop: its waits are bounded, or are logged."""
_STRAINED_SECONDS = 300.0
"""While a majority of MongoDB is slow, taking a lease takes up to some two minutes: no restart would shorten that."""


NOWHERE = "/tmp"


class Pulse(threading.Event):
    """The `stop` event of one relay, which remembers when the relay asked for it last."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.asked = clock.monotonic()

    def is_set(self) -> bool:
        """Says whether to stop."""
        self.asked = self._clock.monotonic()
        return super().is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is set, or `timeout` seconds have passed."""
        self.asked = self._clock.monotonic()
        ended = super().wait(timeout)
        self.asked = self._clock.monotonic()
        return ended


def stuck_seconds() -> float:
    """Returns how long a part of the process may stand still before it counts as stuck."""
    return _STRAINED_SECONDS if patience.is_strained() else STUCK_SECONDS


def identity(hosts: Iterable[str], database: str, outbox: str, name: str) -> str:
    """Makes the name by which a probe finds a relay. Nothing in it is secret; the order of hosts does not count."""
    text = json.dumps([sorted(hosts), database, outbox, name])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class SignOfLife:
    """Shows that the relays of these identities live in this process. Used by one thread; close it.

    A folder that cannot be written to is logged once, as a warning: the relays work without.
    """

    def __init__(self, identities: Iterable[str], clock: Clock | None = None, folder: Path | None = None) -> None:
        self._clock: Clock = SystemClock() if clock is None else clock
        self._folder = _folder() if folder is None else folder
        self._files = [self._folder / f"{identity}-{os.getpid()}" for identity in identities]
        self._written = float("-inf")
        self._works = True

    def show(self, pulses: Iterable[Pulse]) -> None:
        """Writes at most once a second, and only while each relay's loop goes round."""
        now = self._clock.monotonic()
        if not self._works or now - self._written < WRITE_SECONDS:
            return
        if any(now - pulse.asked >= stuck_seconds() for pulse in pulses):
            return
        self._written = now
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for file in self._files:
                _write(file, str(now))
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._folder.parent.is_dir():
                return  # another process has just removed the empty folder, see `close`
            self._works = False
            logger.warning("`relay health --self` will find nothing: %s: %s", self._folder, error.strerror)

    def close(self) -> None:
        """Removes the signs, and with the last one the folder."""
        for file in self._files if self._works else ():
            file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others' signs are in it, or it was never made
            self._folder.rmdir()


def dead(identity: str, clock: Clock, folder: Path | None = None) -> str | None:
    """Says why no relay of this identity lives on this machine, or in this container; None when all of them do."""
    place = _folder() if folder is None else folder
    ages = {int(file.name.rpartition("-")[2]): _age(file, clock) for file in place.glob(f"{identity}-*")}
    here = {pid: age for pid, age in ages.items() if age < FRESH_SECONDS or _is_there(pid)}
    if not here:
        return "no relay with this configuration runs here"
    stuck = [pid for pid, age in here.items() if age >= FRESH_SECONDS]
    if not stuck:
        return None
    return f"the relay of process {stuck[0]} has given no sign of life for {min(here[stuck[0]], 1e6):.0f} s"


def _age(file: Path, clock: Clock) -> float:
    """Seconds since a sign was written, by the machine's monotonic clock; for ever if before its last start."""
    try:
        age = clock.monotonic() - float(file.read_text())
    except (OSError, ValueError):  # its process has just ended, or is just writing
        return 0.0 if file.exists() else float("inf")
    return age if age >= 0 else float("inf")


def _is_there(pid: int) -> bool:
    if os.name != "posix":
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _folder() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    try:
        place = tempfile.gettempdir()
    except FileNotFoundError:  # none can be written to, which is warned of, and no reason not to relay
        place = NOWHERE
    return Path(place, f"mongo-outbox-{user}")


def _write(file: Path, text: str) -> None:
    # A new file each time, which replaces the old one as a whole: a link that others put there is never followed.
    fresh = file.with_name(f".{file.name}")
    fresh.unlink(missing_ok=True)
    with open(fresh, "x", opener=_private) as output:  # Path.open has no opener
        output.write(text)
    fresh.replace(file)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


Show = Callable[[Iterable[Pulse]], None]
