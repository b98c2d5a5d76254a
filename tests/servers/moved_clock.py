"""Wall clocks that tests move: a library preloaded into a process, compiled when it is first needed. Linux only."""

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


class NoCompiler(Exception):
    """There is no C compiler on the PATH."""


class MovedClock:
    """The wall clock of the processes started inside `given()`. Its files are in `folder`. Raises NoCompiler."""

    def __init__(self, folder: Path, name: str) -> None:
        self._offset = folder / f"{name}.offset"
        self._library = folder / "moved_clock.so"
        self.move(0)
        if not self._library.exists():
            compiler = shutil.which("cc")
            if compiler is None:
                raise NoCompiler("`cc` is not on the PATH: a process's clock is moved by a library in C")
            command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE), "-ldl"]
            subprocess.run(command, check=True)

    def move(self, seconds: int) -> None:
        """From now on it is that much ahead of the true time, or behind."""
        with self._offset.open("r+b" if self._offset.exists() else "wb") as file:
            file.write(struct.pack("=q", seconds))  # in place: the processes have it mapped

    @contextmanager
    def given(self) -> Iterator[None]:
        """Processes that are started inside have this clock."""
        ours = {"LD_PRELOAD": str(self._library), "CLOCK_OFFSET": str(self._offset)}
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
