"""Runs the command `relay run` as an operator does, in another process."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from outbox.embedded.child_process import ChildProcess

RELAY = [sys.executable, "-m", "relay"]
_ONCE_SECONDS = 600.0


class RelayCommand:
    """The command for one outbox and one topic. Not thread-safe."""

    def __init__(self, mongo: str, database: str, kafka: str, topic: str, *options: str) -> None:
        places = ("--mongo", mongo, "--database", database, "--kafka", kafka, "--topic", topic)
        self._command = [*RELAY, "run", *places, *options]

    @contextlib.contextmanager
    def running(self, *options: str) -> Iterator[ChildProcess]:
        """Runs until the command or the `with` ends. Raises RuntimeError, with what it said, if it ended in error."""
        with tempfile.TemporaryDirectory(prefix="bench-relay-") as folder:
            log = Path(folder, "relay.log")
            child = ChildProcess([*self._command, *options], log=log)
            try:
                yield child
            finally:
                child.stop()
            if child.exit_code is not None and child.exit_code > 0:
                raise RuntimeError(f"relay run ended with {child.exit_code}:\n{log.read_text()[-2000:]}")

    def once(self) -> None:
        """Relays all there is. Raises as `running`, and TimeoutError after ten minutes."""
        with self.running("--once") as child:
            child.wait(_ONCE_SECONDS)
