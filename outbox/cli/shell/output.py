"""Runs a command line so that lost output ends it by a line and an exit code: a full disk, a pipe that nobody reads."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from outbox.cli.exit_codes import USAGE

CLOSED_PIPE = 128 + getattr(signal, "SIGPIPE", 13)
"""What a shell says of a program whose output nobody reads any more."""


class OutputLost(Exception):
    """Standard output takes nothing more.

    It is no OSError, which whoever writes to an archive, say, would take for one of its own.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(error.strerror or str(error))
        self.is_closed_pipe = error.errno == errno.EPIPE


class _Descriptor(io.FileIO):
    """One of the process's own: after its first failure it takes all that comes, and keeps nothing.

    So Python does not complain once more when it flushes at its end.
    """

    def __init__(self, number: int, lost: Callable[[OSError], object]) -> None:
        super().__init__(number, "wb", closefd=False)
        self._lost = lost
        self._is_lost = False

    def write(self, data: Any, /) -> int:
        view, written = memoryview(data).cast("B"), 0
        while written < len(view) and not self._is_lost:
            try:
                written += self._part(view[written:])
            except OSError as error:
                self._is_lost = True
                self._lost(error)
        return len(view)

    def _part(self, data: memoryview) -> int:
        """A disk that is all but full takes a part, and refuses the rest."""
        written = super().write(data)
        if written is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return written


def escape_the_unprintable() -> None:
    """Makes stdout and stderr escape characters that their encodings lack; a record or a path may hold any."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def output_watched(command: str) -> Iterator[None]:
    """Ends the process inside with a line on stderr when stdout takes nothing more; when nobody reads it, without one.

    What stderr does not take is lost, and changes no exit code. For the process's own start: it replaces both streams,
    where they are files or pipes; a terminal's stay.
    """
    sys.stdout = _watched(sys.stdout, _raise)
    sys.stderr = _watched(sys.stderr, lambda _: None)
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OutputLost as lost:
        if lost.is_closed_pipe:
            raise SystemExit(CLOSED_PIPE) from None
        sys.stderr.write(f"{command}: the output cannot be written: {lost}\n")
        raise SystemExit(USAGE) from None


def _watched(stream: TextIO, lost: Callable[[OSError], object]) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper) or stream.isatty():  # none at all where the shell has closed it
        return stream
    stream.flush()
    raw = _Descriptor(stream.fileno(), lost)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),  # as Python does with -u
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _raise(error: OSError) -> None:
    raise OutputLost(error) from None
