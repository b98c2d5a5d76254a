"""The command `relay` as its own process, as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

RELAY = [sys.executable, "-c", "from relay.cli import main; main()"]


class RelayCommand:
    """Runs `relay` with `settings` in its environment, `mongo` as RELAY_MONGO.

    The processes that it has started end with the `with`.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RELAY_")},
            **{f"RELAY_{name.upper()}": value for name, value in settings.items()},
        }
        self.folder = folder
        self._log = folder / "relay.log"
        self._running: list[subprocess.Popen[bytes]] = []

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Runs the command to its end."""
        return subprocess.run(
            [*RELAY, *arguments],
            env={**self._environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts the command; what it says is in `log`."""
        with self._log.open("ab") as output:
            process = subprocess.Popen(
                [*RELAY, *arguments], env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._running.append(process)
        return process

    def without(self, name: str) -> Self:
        """Gives the same command with one setting less."""
        del self._environment[f"RELAY_{name.upper()}"]
        return self

    @property
    def log(self) -> str:
        """All that the started processes have said so far."""
        return self._log.read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.kill()
            process.wait()
