"""Processes with a wall clock and a disk that tests tamper with, through a library in C. Linux only."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS


class NoCompiler(Exception):
    """There is no C compiler on the PATH."""


class Tampered:
    """The world of the processes that are started inside `given()`. Its files are in `folder`. Raises NoCompiler."""

    def __init__(self, folder: Path, name: str) -> None:
        self._world = folder / f"{name}.world"
        self._world.write_bytes(bytes(16))
        self._library = folder / "tampered.so"
        if not self._library.exists():
            compiler = shutil.which("cc")
            if compiler is None:
                raise NoCompiler("`cc` is not on the PATH")
            command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE), "-ldl"]
            subprocess.run(command, check=True)

    def move_clock(self, seconds: int) -> None:
        """From now on the wall clock is that much ahead of the true time, or behind."""
        self._write(0, seconds)

    def fill_disk(self, *, full: bool) -> None:
        """Until it is not full any more, every write of a data file or a journal fails (ENOSPC)."""
        self._write(8, int(full))

    def _write(self, place: int, value: int) -> None:
        with self._world.open("r+b") as file:  # in place: the processes have it mapped
            file.seek(place)
            file.write(struct.pack("=q", value))

    @contextmanager
    def given(self) -> Iterator[None]:
        """Processes that are started inside have this clock and this disk."""
        ours = {"LD_PRELOAD": str(self._library), "TAMPERED": str(self._world)}
        before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
